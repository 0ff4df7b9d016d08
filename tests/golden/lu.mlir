// lu of f32: square
module @main {
func.func public @main(%arg0: tensor<3x3xf32>) -> (tensor<3x3xf32>, tensor<3xi32>, tensor<3xi32>) {
  %0 = "stablehlo.reshape"(%arg0) : (tensor<3x3xf32>) -> tensor<1x3x3xf32>
  %1 = "stablehlo.iota"() {iota_dimension = 0 : i64} : () -> tensor<3xi32>
  %2 = "stablehlo.iota"() {iota_dimension = 0 : i64} : () -> tensor<3xi32>
  %3 = "stablehlo.iota"() {iota_dimension = 0 : i64} : () -> tensor<3xi32>
  %4 = "stablehlo.constant"() {value = dense<0> : tensor<3xi32>} : () -> tensor<3xi32>
  %5 = "stablehlo.constant"() {value = dense<0> : tensor<i32>} : () -> tensor<i32>
  %6 = "stablehlo.broadcast_in_dim"(%4) {broadcast_dimensions = array<i64: 1>} : (tensor<3xi32>) -> tensor<1x3xi32>
  %7 = "stablehlo.broadcast_in_dim"(%2) {broadcast_dimensions = array<i64: 1>} : (tensor<3xi32>) -> tensor<1x3xi32>
  %135:5 = "stablehlo.while"(%5, %5, %0, %6, %7) ({
  ^bb0(%a8: tensor<i32>, %a9: tensor<i32>, %a10: tensor<1x3x3xf32>, %a11: tensor<1x3xi32>, %a12: tensor<1x3xi32>):
    %13 = "stablehlo.constant"() {value = dense<3> : tensor<i32>} : () -> tensor<i32>
    %14 = "stablehlo.compare"(%a8, %13) {comparison_direction = #stablehlo<comparison_direction LT>, compare_type = #stablehlo<comparison_type SIGNED>} : (tensor<i32>, tensor<i32>) -> tensor<i1>
    stablehlo.return %14 : tensor<i1>
  }, {
  ^bb0(%a15: tensor<i32>, %a16: tensor<i32>, %a17: tensor<1x3x3xf32>, %a18: tensor<1x3xi32>, %a19: tensor<1x3xi32>):
    %20 = "stablehlo.constant"() {value = dense<1> : tensor<i32>} : () -> tensor<i32>
    %21 = "stablehlo.add"(%a16, %20) : (tensor<i32>, tensor<i32>) -> tensor<i32>
    %22 = "stablehlo.broadcast_in_dim"(%a16) {broadcast_dimensions = array<i64>} : (tensor<i32>) -> tensor<3xi32>
    %23 = "stablehlo.iota"() {iota_dimension = 0 : i64} : () -> tensor<3xi32>
    %24 = "stablehlo.compare"(%23, %22) {comparison_direction = #stablehlo<comparison_direction GE>, compare_type = #stablehlo<comparison_type SIGNED>} : (tensor<3xi32>, tensor<3xi32>) -> tensor<3xi1>
    %25 = "stablehlo.constant"() {value = dense<0> : tensor<i32>} : () -> tensor<i32>
    %26 = "stablehlo.compare"(%a16, %25) {comparison_direction = #stablehlo<comparison_direction LT>, compare_type = #stablehlo<comparison_type SIGNED>} : (tensor<i32>, tensor<i32>) -> tensor<i1>
    %27 = "stablehlo.constant"() {value = dense<3> : tensor<i32>} : () -> tensor<i32>
    %28 = "stablehlo.add"(%a16, %27) : (tensor<i32>, tensor<i32>) -> tensor<i32>
    %29 = "stablehlo.select"(%26, %28, %a16) : (tensor<i1>, tensor<i32>, tensor<i32>) -> tensor<i32>
    %30 = "stablehlo.constant"() {value = dense<2> : tensor<i32>} : () -> tensor<i32>
    %31 = "stablehlo.clamp"(%25, %29, %30) : (tensor<i32>, tensor<i32>, tensor<i32>) -> tensor<i32>
    %32 = "stablehlo.dynamic_slice"(%a17, %25, %25, %31) {slice_sizes = array<i64: 1, 3, 1>} : (tensor<1x3x3xf32>, tensor<i32>, tensor<i32>, tensor<i32>) -> tensor<1x3x1xf32>
    %33 = "stablehlo.reshape"(%32) : (tensor<1x3x1xf32>) -> tensor<1x3xf32>
    %34 = "stablehlo.abs"(%33) : (tensor<1x3xf32>) -> tensor<1x3xf32>
    %35 = "stablehlo.constant"() {value = dense<-1.0> : tensor<f32>} : () -> tensor<f32>
    %36 = "stablehlo.broadcast_in_dim"(%35) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<3xf32>
    %37 = "stablehlo.broadcast_in_dim"(%24) {broadcast_dimensions = array<i64: 1>} : (tensor<3xi1>) -> tensor<1x3xi1>
    %38 = "stablehlo.broadcast_in_dim"(%36) {broadcast_dimensions = array<i64: 1>} : (tensor<3xf32>) -> tensor<1x3xf32>
    %39 = "stablehlo.select"(%37, %34, %38) : (tensor<1x3xi1>, tensor<1x3xf32>, tensor<1x3xf32>) -> tensor<1x3xf32>
    %40 = "stablehlo.iota"() {iota_dimension = 1 : i64} : () -> tensor<1x3xi32>
    %41 = "stablehlo.constant"() {value = dense<0xFF800000> : tensor<f32>} : () -> tensor<f32>
    %57:2 = "stablehlo.reduce"(%39, %40, %41, %25) ({
    ^bb0(%a42: tensor<f32>, %a43: tensor<i32>, %a44: tensor<f32>, %a45: tensor<i32>):
      %46 = "stablehlo.compare"(%a42, %a44) {comparison_direction = #stablehlo<comparison_direction GT>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<f32>, tensor<f32>) -> tensor<i1>
      %47 = "stablehlo.compare"(%a42, %a42) {comparison_direction = #stablehlo<comparison_direction NE>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<f32>, tensor<f32>) -> tensor<i1>
      %48 = "stablehlo.or"(%46, %47) : (tensor<i1>, tensor<i1>) -> tensor<i1>
      %49 = "stablehlo.compare"(%a44, %a42) {comparison_direction = #stablehlo<comparison_direction GT>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<f32>, tensor<f32>) -> tensor<i1>
      %50 = "stablehlo.compare"(%a44, %a44) {comparison_direction = #stablehlo<comparison_direction NE>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<f32>, tensor<f32>) -> tensor<i1>
      %51 = "stablehlo.or"(%49, %50) : (tensor<i1>, tensor<i1>) -> tensor<i1>
      %52 = "stablehlo.compare"(%48, %51) {comparison_direction = #stablehlo<comparison_direction EQ>, compare_type = #stablehlo<comparison_type UNSIGNED>} : (tensor<i1>, tensor<i1>) -> tensor<i1>
      %53 = "stablehlo.compare"(%a43, %a45) {comparison_direction = #stablehlo<comparison_direction LT>, compare_type = #stablehlo<comparison_type SIGNED>} : (tensor<i32>, tensor<i32>) -> tensor<i1>
      %54 = "stablehlo.select"(%52, %53, %48) : (tensor<i1>, tensor<i1>, tensor<i1>) -> tensor<i1>
      %55 = "stablehlo.select"(%54, %a42, %a44) : (tensor<i1>, tensor<f32>, tensor<f32>) -> tensor<f32>
      %56 = "stablehlo.select"(%54, %a43, %a45) : (tensor<i1>, tensor<i32>, tensor<i32>) -> tensor<i32>
      stablehlo.return %55, %56 : tensor<f32>, tensor<i32>
    }) {dimensions = array<i64: 1>} : (tensor<1x3xf32>, tensor<1x3xi32>, tensor<f32>, tensor<i32>) -> (tensor<1xf32>, tensor<1xi32>)
    %58 = "stablehlo.broadcast_in_dim"(%a16) {broadcast_dimensions = array<i64>} : (tensor<i32>) -> tensor<3xi32>
    %59 = "stablehlo.compare"(%23, %58) {comparison_direction = #stablehlo<comparison_direction EQ>, compare_type = #stablehlo<comparison_type SIGNED>} : (tensor<3xi32>, tensor<3xi32>) -> tensor<3xi1>
    %60 = "stablehlo.broadcast_in_dim"(%57#1) {broadcast_dimensions = array<i64: 0>} : (tensor<1xi32>) -> tensor<1x3xi32>
    %61 = "stablehlo.broadcast_in_dim"(%23) {broadcast_dimensions = array<i64: 1>} : (tensor<3xi32>) -> tensor<1x3xi32>
    %62 = "stablehlo.compare"(%61, %60) {comparison_direction = #stablehlo<comparison_direction EQ>, compare_type = #stablehlo<comparison_type SIGNED>} : (tensor<1x3xi32>, tensor<1x3xi32>) -> tensor<1x3xi1>
    %63 = "stablehlo.broadcast_in_dim"(%a16) {broadcast_dimensions = array<i64>} : (tensor<i32>) -> tensor<3xi32>
    %64 = "stablehlo.broadcast_in_dim"(%63) {broadcast_dimensions = array<i64: 1>} : (tensor<3xi32>) -> tensor<1x3xi32>
    %65 = "stablehlo.broadcast_in_dim"(%23) {broadcast_dimensions = array<i64: 1>} : (tensor<3xi32>) -> tensor<1x3xi32>
    %66 = "stablehlo.select"(%62, %64, %65) : (tensor<1x3xi1>, tensor<1x3xi32>, tensor<1x3xi32>) -> tensor<1x3xi32>
    %67 = "stablehlo.broadcast_in_dim"(%57#1) {broadcast_dimensions = array<i64: 0>} : (tensor<1xi32>) -> tensor<1x3xi32>
    %68 = "stablehlo.broadcast_in_dim"(%59) {broadcast_dimensions = array<i64: 1>} : (tensor<3xi1>) -> tensor<1x3xi1>
    %69 = "stablehlo.select"(%68, %67, %66) : (tensor<1x3xi1>, tensor<1x3xi32>, tensor<1x3xi32>) -> tensor<1x3xi32>
    %70 = "stablehlo.reshape"(%69) : (tensor<1x3xi32>) -> tensor<1x3x1xi32>
    %71 = "stablehlo.gather"(%a17, %70) {dimension_numbers = #stablehlo.gather<offset_dims = [2], collapsed_slice_dims = [1], operand_batching_dims = [0], start_indices_batching_dims = [0], start_index_map = [1], index_vector_dim = 2>, slice_sizes = array<i64: 1, 1, 3>, indices_are_sorted = false} : (tensor<1x3x3xf32>, tensor<1x3x1xi32>) -> tensor<1x3x3xf32>
    %72 = "stablehlo.reshape"(%69) : (tensor<1x3xi32>) -> tensor<1x3x1xi32>
    %73 = "stablehlo.gather"(%a19, %72) {dimension_numbers = #stablehlo.gather<offset_dims = [], collapsed_slice_dims = [1], operand_batching_dims = [0], start_indices_batching_dims = [0], start_index_map = [1], index_vector_dim = 2>, slice_sizes = array<i64: 1, 1>, indices_are_sorted = false} : (tensor<1x3xi32>, tensor<1x3x1xi32>) -> tensor<1x3xi32>
    %74 = "stablehlo.broadcast_in_dim"(%a16) {broadcast_dimensions = array<i64>} : (tensor<i32>) -> tensor<3xi32>
    %75 = "stablehlo.iota"() {iota_dimension = 0 : i64} : () -> tensor<3xi32>
    %76 = "stablehlo.compare"(%75, %74) {comparison_direction = #stablehlo<comparison_direction EQ>, compare_type = #stablehlo<comparison_type SIGNED>} : (tensor<3xi32>, tensor<3xi32>) -> tensor<3xi1>
    %77 = "stablehlo.broadcast_in_dim"(%57#1) {broadcast_dimensions = array<i64: 0>} : (tensor<1xi32>) -> tensor<1x3xi32>
    %78 = "stablehlo.broadcast_in_dim"(%76) {broadcast_dimensions = array<i64: 1>} : (tensor<3xi1>) -> tensor<1x3xi1>
    %79 = "stablehlo.select"(%78, %77, %a18) : (tensor<1x3xi1>, tensor<1x3xi32>, tensor<1x3xi32>) -> tensor<1x3xi32>
    %80 = "stablehlo.compare"(%a16, %25) {comparison_direction = #stablehlo<comparison_direction LT>, compare_type = #stablehlo<comparison_type SIGNED>} : (tensor<i32>, tensor<i32>) -> tensor<i1>
    %81 = "stablehlo.add"(%a16, %27) : (tensor<i32>, tensor<i32>) -> tensor<i32>
    %82 = "stablehlo.select"(%80, %81, %a16) : (tensor<i1>, tensor<i32>, tensor<i32>) -> tensor<i32>
    %83 = "stablehlo.clamp"(%25, %82, %30) : (tensor<i32>, tensor<i32>, tensor<i32>) -> tensor<i32>
    %84 = "stablehlo.dynamic_slice"(%71, %25, %83, %25) {slice_sizes = array<i64: 1, 1, 3>} : (tensor<1x3x3xf32>, tensor<i32>, tensor<i32>, tensor<i32>) -> tensor<1x1x3xf32>
    %85 = "stablehlo.reshape"(%84) : (tensor<1x1x3xf32>) -> tensor<1x3xf32>
    %86 = "stablehlo.compare"(%a16, %25) {comparison_direction = #stablehlo<comparison_direction LT>, compare_type = #stablehlo<comparison_type SIGNED>} : (tensor<i32>, tensor<i32>) -> tensor<i1>
    %87 = "stablehlo.add"(%a16, %27) : (tensor<i32>, tensor<i32>) -> tensor<i32>
    %88 = "stablehlo.select"(%86, %87, %a16) : (tensor<i1>, tensor<i32>, tensor<i32>) -> tensor<i32>
    %89 = "stablehlo.clamp"(%25, %88, %30) : (tensor<i32>, tensor<i32>, tensor<i32>) -> tensor<i32>
    %90 = "stablehlo.dynamic_slice"(%85, %25, %89) {slice_sizes = array<i64: 1, 1>} : (tensor<1x3xf32>, tensor<i32>, tensor<i32>) -> tensor<1x1xf32>
    %91 = "stablehlo.reshape"(%90) : (tensor<1x1xf32>) -> tensor<1xf32>
    %92 = "stablehlo.broadcast_in_dim"(%a16) {broadcast_dimensions = array<i64>} : (tensor<i32>) -> tensor<3xi32>
    %93 = "stablehlo.compare"(%23, %92) {comparison_direction = #stablehlo<comparison_direction GT>, compare_type = #stablehlo<comparison_type SIGNED>} : (tensor<3xi32>, tensor<3xi32>) -> tensor<3xi1>
    %94 = "stablehlo.compare"(%a16, %25) {comparison_direction = #stablehlo<comparison_direction LT>, compare_type = #stablehlo<comparison_type SIGNED>} : (tensor<i32>, tensor<i32>) -> tensor<i1>
    %95 = "stablehlo.add"(%a16, %27) : (tensor<i32>, tensor<i32>) -> tensor<i32>
    %96 = "stablehlo.select"(%94, %95, %a16) : (tensor<i1>, tensor<i32>, tensor<i32>) -> tensor<i32>
    %97 = "stablehlo.clamp"(%25, %96, %30) : (tensor<i32>, tensor<i32>, tensor<i32>) -> tensor<i32>
    %98 = "stablehlo.dynamic_slice"(%71, %25, %25, %97) {slice_sizes = array<i64: 1, 3, 1>} : (tensor<1x3x3xf32>, tensor<i32>, tensor<i32>, tensor<i32>) -> tensor<1x3x1xf32>
    %99 = "stablehlo.reshape"(%98) : (tensor<1x3x1xf32>) -> tensor<1x3xf32>
    %100 = "stablehlo.constant"() {value = dense<0.0> : tensor<f32>} : () -> tensor<f32>
    %101 = "stablehlo.broadcast_in_dim"(%100) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<1xf32>
    %102 = "stablehlo.compare"(%91, %101) {comparison_direction = #stablehlo<comparison_direction NE>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<1xf32>, tensor<1xf32>) -> tensor<1xi1>
    %103 = "stablehlo.broadcast_in_dim"(%102) {broadcast_dimensions = array<i64: 0>} : (tensor<1xi1>) -> tensor<1x3xi1>
    %104 = "stablehlo.broadcast_in_dim"(%93) {broadcast_dimensions = array<i64: 1>} : (tensor<3xi1>) -> tensor<1x3xi1>
    %105 = "stablehlo.and"(%104, %103) : (tensor<1x3xi1>, tensor<1x3xi1>) -> tensor<1x3xi1>
    %106 = "stablehlo.broadcast_in_dim"(%91) {broadcast_dimensions = array<i64: 0>} : (tensor<1xf32>) -> tensor<1x3xf32>
    %107 = "stablehlo.divide"(%99, %106) : (tensor<1x3xf32>, tensor<1x3xf32>) -> tensor<1x3xf32>
    %108 = "stablehlo.select"(%105, %107, %99) : (tensor<1x3xi1>, tensor<1x3xf32>, tensor<1x3xf32>) -> tensor<1x3xf32>
    %109 = "stablehlo.broadcast_in_dim"(%a16) {broadcast_dimensions = array<i64>} : (tensor<i32>) -> tensor<3xi32>
    %110 = "stablehlo.compare"(%75, %109) {comparison_direction = #stablehlo<comparison_direction EQ>, compare_type = #stablehlo<comparison_type SIGNED>} : (tensor<3xi32>, tensor<3xi32>) -> tensor<3xi1>
    %111 = "stablehlo.reshape"(%110) : (tensor<3xi1>) -> tensor<1x3xi1>
    %112 = "stablehlo.reshape"(%108) : (tensor<1x3xf32>) -> tensor<1x3x1xf32>
    %113 = "stablehlo.broadcast_in_dim"(%112) {broadcast_dimensions = array<i64: 0, 1, 2>} : (tensor<1x3x1xf32>) -> tensor<1x3x3xf32>
    %114 = "stablehlo.broadcast_in_dim"(%111) {broadcast_dimensions = array<i64: 0, 1>} : (tensor<1x3xi1>) -> tensor<3x3xi1>
    %115 = "stablehlo.broadcast_in_dim"(%114) {broadcast_dimensions = array<i64: 1, 2>} : (tensor<3x3xi1>) -> tensor<1x3x3xi1>
    %116 = "stablehlo.select"(%115, %113, %71) : (tensor<1x3x3xi1>, tensor<1x3x3xf32>, tensor<1x3x3xf32>) -> tensor<1x3x3xf32>
    %117 = "stablehlo.reshape"(%93) : (tensor<3xi1>) -> tensor<3x1xi1>
    %118 = "stablehlo.broadcast_in_dim"(%a16) {broadcast_dimensions = array<i64>} : (tensor<i32>) -> tensor<3xi32>
    %119 = "stablehlo.compare"(%75, %118) {comparison_direction = #stablehlo<comparison_direction GT>, compare_type = #stablehlo<comparison_type SIGNED>} : (tensor<3xi32>, tensor<3xi32>) -> tensor<3xi1>
    %120 = "stablehlo.reshape"(%119) : (tensor<3xi1>) -> tensor<1x3xi1>
    %121 = "stablehlo.broadcast_in_dim"(%117) {broadcast_dimensions = array<i64: 0, 1>} : (tensor<3x1xi1>) -> tensor<3x3xi1>
    %122 = "stablehlo.broadcast_in_dim"(%120) {broadcast_dimensions = array<i64: 0, 1>} : (tensor<1x3xi1>) -> tensor<3x3xi1>
    %123 = "stablehlo.and"(%121, %122) : (tensor<3x3xi1>, tensor<3x3xi1>) -> tensor<3x3xi1>
    %124 = "stablehlo.reshape"(%108) : (tensor<1x3xf32>) -> tensor<1x3x1xf32>
    %125 = "stablehlo.reshape"(%85) : (tensor<1x3xf32>) -> tensor<1x1x3xf32>
    %126 = "stablehlo.broadcast_in_dim"(%124) {broadcast_dimensions = array<i64: 0, 1, 2>} : (tensor<1x3x1xf32>) -> tensor<1x3x3xf32>
    %127 = "stablehlo.broadcast_in_dim"(%125) {broadcast_dimensions = array<i64: 0, 1, 2>} : (tensor<1x1x3xf32>) -> tensor<1x3x3xf32>
    %128 = "stablehlo.multiply"(%126, %127) : (tensor<1x3x3xf32>, tensor<1x3x3xf32>) -> tensor<1x3x3xf32>
    %129 = "stablehlo.broadcast_in_dim"(%100) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<3x3xf32>
    %130 = "stablehlo.broadcast_in_dim"(%123) {broadcast_dimensions = array<i64: 1, 2>} : (tensor<3x3xi1>) -> tensor<1x3x3xi1>
    %131 = "stablehlo.broadcast_in_dim"(%129) {broadcast_dimensions = array<i64: 1, 2>} : (tensor<3x3xf32>) -> tensor<1x3x3xf32>
    %132 = "stablehlo.select"(%130, %128, %131) : (tensor<1x3x3xi1>, tensor<1x3x3xf32>, tensor<1x3x3xf32>) -> tensor<1x3x3xf32>
    %133 = "stablehlo.subtract"(%116, %132) : (tensor<1x3x3xf32>, tensor<1x3x3xf32>) -> tensor<1x3x3xf32>
    %134 = "stablehlo.add"(%a15, %20) : (tensor<i32>, tensor<i32>) -> tensor<i32>
    stablehlo.return %134, %21, %133, %79, %73 : tensor<i32>, tensor<i32>, tensor<1x3x3xf32>, tensor<1x3xi32>, tensor<1x3xi32>
  }) : (tensor<i32>, tensor<i32>, tensor<1x3x3xf32>, tensor<1x3xi32>, tensor<1x3xi32>) -> (tensor<i32>, tensor<i32>, tensor<1x3x3xf32>, tensor<1x3xi32>, tensor<1x3xi32>)
  %136 = "stablehlo.constant"() {value = dense<> : tensor<1x0x3xf32>} : () -> tensor<1x0x3xf32>
  %137 = "stablehlo.reshape"(%135#4) : (tensor<1x3xi32>) -> tensor<1x3x1xi32>
  %138 = "stablehlo.gather"(%0, %137) {dimension_numbers = #stablehlo.gather<offset_dims = [2], collapsed_slice_dims = [1], operand_batching_dims = [0], start_indices_batching_dims = [0], start_index_map = [1], index_vector_dim = 2>, slice_sizes = array<i64: 1, 1, 3>, indices_are_sorted = false} : (tensor<1x3x3xf32>, tensor<1x3x1xi32>) -> tensor<1x3x3xf32>
  %139 = "stablehlo.constant"() {value = dense<> : tensor<0xi32>} : () -> tensor<0xi32>
  %140 = "stablehlo.reshape"(%135#4) : (tensor<1x3xi32>) -> tensor<1x3x1xi32>
  %141 = "stablehlo.gather"(%1, %140) {dimension_numbers = #stablehlo.gather<offset_dims = [], collapsed_slice_dims = [0], operand_batching_dims = [], start_indices_batching_dims = [], start_index_map = [0], index_vector_dim = 2>, slice_sizes = array<i64: 1>, indices_are_sorted = false} : (tensor<3xi32>, tensor<1x3x1xi32>) -> tensor<1x3xi32>
  %142 = "stablehlo.constant"() {value = dense<> : tensor<1x0xi32>} : () -> tensor<1x0xi32>
  %143 = "stablehlo.broadcast_in_dim"(%4) {broadcast_dimensions = array<i64: 1>} : (tensor<3xi32>) -> tensor<1x3xi32>
  %144 = "stablehlo.add"(%135#3, %143) : (tensor<1x3xi32>, tensor<1x3xi32>) -> tensor<1x3xi32>
  %145 = "stablehlo.constant"() {value = dense<> : tensor<1x3x0xf32>} : () -> tensor<1x3x0xf32>
  %146 = "stablehlo.is_finite"(%0) : (tensor<1x3x3xf32>) -> tensor<1x3x3xi1>
  %147 = "stablehlo.constant"() {value = dense<true> : tensor<i1>} : () -> tensor<i1>
  %151 = "stablehlo.reduce"(%146, %147) ({
  ^bb0(%a148: tensor<i1>, %a149: tensor<i1>):
    %150 = "stablehlo.and"(%a148, %a149) : (tensor<i1>, tensor<i1>) -> tensor<i1>
    stablehlo.return %150 : tensor<i1>
  }) {dimensions = array<i64: 2, 1>} : (tensor<1x3x3xi1>, tensor<i1>) -> tensor<1xi1>
  %152 = "stablehlo.reshape"(%151) : (tensor<1xi1>) -> tensor<1x1xi1>
  %153 = "stablehlo.reshape"(%135#2) : (tensor<1x3x3xf32>) -> tensor<3x3xf32>
  %154 = "stablehlo.constant"() {value = dense<0x7FC00000> : tensor<3x3xf32>} : () -> tensor<3x3xf32>
  %155 = "stablehlo.broadcast_in_dim"(%152) {broadcast_dimensions = array<i64: 0, 1>} : (tensor<1x1xi1>) -> tensor<3x3xi1>
  %156 = "stablehlo.select"(%155, %153, %154) : (tensor<3x3xi1>, tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
  %157 = "stablehlo.reshape"(%144) : (tensor<1x3xi32>) -> tensor<3xi32>
  %158 = "stablehlo.reshape"(%152) : (tensor<1x1xi1>) -> tensor<1xi1>
  %159 = "stablehlo.iota"() {iota_dimension = 0 : i64} : () -> tensor<3xi32>
  %160 = "stablehlo.broadcast_in_dim"(%158) {broadcast_dimensions = array<i64: 0>} : (tensor<1xi1>) -> tensor<3xi1>
  %161 = "stablehlo.select"(%160, %157, %159) : (tensor<3xi1>, tensor<3xi32>, tensor<3xi32>) -> tensor<3xi32>
  %162 = "stablehlo.reshape"(%141) : (tensor<1x3xi32>) -> tensor<3xi32>
  %163 = "stablehlo.reshape"(%152) : (tensor<1x1xi1>) -> tensor<1xi1>
  %164 = "stablehlo.iota"() {iota_dimension = 0 : i64} : () -> tensor<3xi32>
  %165 = "stablehlo.broadcast_in_dim"(%163) {broadcast_dimensions = array<i64: 0>} : (tensor<1xi1>) -> tensor<3xi1>
  %166 = "stablehlo.select"(%165, %162, %164) : (tensor<3xi1>, tensor<3xi32>, tensor<3xi32>) -> tensor<3xi32>
  return %156, %161, %166 : tensor<3x3xf32>, tensor<3xi32>, tensor<3xi32>
}
}
