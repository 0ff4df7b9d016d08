// custom_linear_solve of f32: by a factorisation
module @main {
func.func public @main(%arg0: tensor<3x3xf32>, %arg1: tensor<3xf32>) -> (tensor<3xf32>) {
  %0 = "stablehlo.iota"() {iota_dimension = 0 : i64} : () -> tensor<3x3xi32>
  %1 = "stablehlo.iota"() {iota_dimension = 1 : i64} : () -> tensor<3x3xi32>
  %2 = "stablehlo.compare"(%0, %1) {comparison_direction = #stablehlo<comparison_direction EQ>, compare_type = #stablehlo<comparison_type SIGNED>} : (tensor<3x3xi32>, tensor<3x3xi32>) -> tensor<3x3xi1>
  %3 = "stablehlo.convert"(%2) : (tensor<3x3xi1>) -> tensor<3x3xf32>
  %4 = "stablehlo.constant"() {value = dense<4.0> : tensor<3x3xf32>} : () -> tensor<3x3xf32>
  %5 = "stablehlo.multiply"(%3, %4) : (tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
  %6 = "stablehlo.add"(%arg0, %5) : (tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
  %7 = "stablehlo.reshape"(%arg1) : (tensor<3xf32>) -> tensor<3x1xf32>
  %8 = "stablehlo.reshape"(%6) : (tensor<3x3xf32>) -> tensor<1x3x3xf32>
  %9 = "stablehlo.iota"() {iota_dimension = 0 : i64} : () -> tensor<3xi32>
  %10 = "stablehlo.iota"() {iota_dimension = 0 : i64} : () -> tensor<3xi32>
  %11 = "stablehlo.iota"() {iota_dimension = 0 : i64} : () -> tensor<3xi32>
  %12 = "stablehlo.constant"() {value = dense<0> : tensor<3xi32>} : () -> tensor<3xi32>
  %13 = "stablehlo.constant"() {value = dense<0> : tensor<i32>} : () -> tensor<i32>
  %14 = "stablehlo.broadcast_in_dim"(%12) {broadcast_dimensions = array<i64: 1>} : (tensor<3xi32>) -> tensor<1x3xi32>
  %15 = "stablehlo.broadcast_in_dim"(%10) {broadcast_dimensions = array<i64: 1>} : (tensor<3xi32>) -> tensor<1x3xi32>
  %143:5 = "stablehlo.while"(%13, %13, %8, %14, %15) ({
  ^bb0(%a16: tensor<i32>, %a17: tensor<i32>, %a18: tensor<1x3x3xf32>, %a19: tensor<1x3xi32>, %a20: tensor<1x3xi32>):
    %21 = "stablehlo.constant"() {value = dense<3> : tensor<i32>} : () -> tensor<i32>
    %22 = "stablehlo.compare"(%a16, %21) {comparison_direction = #stablehlo<comparison_direction LT>, compare_type = #stablehlo<comparison_type SIGNED>} : (tensor<i32>, tensor<i32>) -> tensor<i1>
    stablehlo.return %22 : tensor<i1>
  }, {
  ^bb0(%a23: tensor<i32>, %a24: tensor<i32>, %a25: tensor<1x3x3xf32>, %a26: tensor<1x3xi32>, %a27: tensor<1x3xi32>):
    %28 = "stablehlo.constant"() {value = dense<1> : tensor<i32>} : () -> tensor<i32>
    %29 = "stablehlo.add"(%a24, %28) : (tensor<i32>, tensor<i32>) -> tensor<i32>
    %30 = "stablehlo.broadcast_in_dim"(%a24) {broadcast_dimensions = array<i64>} : (tensor<i32>) -> tensor<3xi32>
    %31 = "stablehlo.iota"() {iota_dimension = 0 : i64} : () -> tensor<3xi32>
    %32 = "stablehlo.compare"(%31, %30) {comparison_direction = #stablehlo<comparison_direction GE>, compare_type = #stablehlo<comparison_type SIGNED>} : (tensor<3xi32>, tensor<3xi32>) -> tensor<3xi1>
    %33 = "stablehlo.constant"() {value = dense<0> : tensor<i32>} : () -> tensor<i32>
    %34 = "stablehlo.compare"(%a24, %33) {comparison_direction = #stablehlo<comparison_direction LT>, compare_type = #stablehlo<comparison_type SIGNED>} : (tensor<i32>, tensor<i32>) -> tensor<i1>
    %35 = "stablehlo.constant"() {value = dense<3> : tensor<i32>} : () -> tensor<i32>
    %36 = "stablehlo.add"(%a24, %35) : (tensor<i32>, tensor<i32>) -> tensor<i32>
    %37 = "stablehlo.select"(%34, %36, %a24) : (tensor<i1>, tensor<i32>, tensor<i32>) -> tensor<i32>
    %38 = "stablehlo.constant"() {value = dense<2> : tensor<i32>} : () -> tensor<i32>
    %39 = "stablehlo.clamp"(%33, %37, %38) : (tensor<i32>, tensor<i32>, tensor<i32>) -> tensor<i32>
    %40 = "stablehlo.dynamic_slice"(%a25, %33, %33, %39) {slice_sizes = array<i64: 1, 3, 1>} : (tensor<1x3x3xf32>, tensor<i32>, tensor<i32>, tensor<i32>) -> tensor<1x3x1xf32>
    %41 = "stablehlo.reshape"(%40) : (tensor<1x3x1xf32>) -> tensor<1x3xf32>
    %42 = "stablehlo.abs"(%41) : (tensor<1x3xf32>) -> tensor<1x3xf32>
    %43 = "stablehlo.constant"() {value = dense<-1.0> : tensor<f32>} : () -> tensor<f32>
    %44 = "stablehlo.broadcast_in_dim"(%43) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<3xf32>
    %45 = "stablehlo.broadcast_in_dim"(%32) {broadcast_dimensions = array<i64: 1>} : (tensor<3xi1>) -> tensor<1x3xi1>
    %46 = "stablehlo.broadcast_in_dim"(%44) {broadcast_dimensions = array<i64: 1>} : (tensor<3xf32>) -> tensor<1x3xf32>
    %47 = "stablehlo.select"(%45, %42, %46) : (tensor<1x3xi1>, tensor<1x3xf32>, tensor<1x3xf32>) -> tensor<1x3xf32>
    %48 = "stablehlo.iota"() {iota_dimension = 1 : i64} : () -> tensor<1x3xi32>
    %49 = "stablehlo.constant"() {value = dense<0xFF800000> : tensor<f32>} : () -> tensor<f32>
    %65:2 = "stablehlo.reduce"(%47, %48, %49, %33) ({
    ^bb0(%a50: tensor<f32>, %a51: tensor<i32>, %a52: tensor<f32>, %a53: tensor<i32>):
      %54 = "stablehlo.compare"(%a50, %a52) {comparison_direction = #stablehlo<comparison_direction GT>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<f32>, tensor<f32>) -> tensor<i1>
      %55 = "stablehlo.compare"(%a50, %a50) {comparison_direction = #stablehlo<comparison_direction NE>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<f32>, tensor<f32>) -> tensor<i1>
      %56 = "stablehlo.or"(%54, %55) : (tensor<i1>, tensor<i1>) -> tensor<i1>
      %57 = "stablehlo.compare"(%a52, %a50) {comparison_direction = #stablehlo<comparison_direction GT>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<f32>, tensor<f32>) -> tensor<i1>
      %58 = "stablehlo.compare"(%a52, %a52) {comparison_direction = #stablehlo<comparison_direction NE>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<f32>, tensor<f32>) -> tensor<i1>
      %59 = "stablehlo.or"(%57, %58) : (tensor<i1>, tensor<i1>) -> tensor<i1>
      %60 = "stablehlo.compare"(%56, %59) {comparison_direction = #stablehlo<comparison_direction EQ>, compare_type = #stablehlo<comparison_type UNSIGNED>} : (tensor<i1>, tensor<i1>) -> tensor<i1>
      %61 = "stablehlo.compare"(%a51, %a53) {comparison_direction = #stablehlo<comparison_direction LT>, compare_type = #stablehlo<comparison_type SIGNED>} : (tensor<i32>, tensor<i32>) -> tensor<i1>
      %62 = "stablehlo.select"(%60, %61, %56) : (tensor<i1>, tensor<i1>, tensor<i1>) -> tensor<i1>
      %63 = "stablehlo.select"(%62, %a50, %a52) : (tensor<i1>, tensor<f32>, tensor<f32>) -> tensor<f32>
      %64 = "stablehlo.select"(%62, %a51, %a53) : (tensor<i1>, tensor<i32>, tensor<i32>) -> tensor<i32>
      stablehlo.return %63, %64 : tensor<f32>, tensor<i32>
    }) {dimensions = array<i64: 1>} : (tensor<1x3xf32>, tensor<1x3xi32>, tensor<f32>, tensor<i32>) -> (tensor<1xf32>, tensor<1xi32>)
    %66 = "stablehlo.broadcast_in_dim"(%a24) {broadcast_dimensions = array<i64>} : (tensor<i32>) -> tensor<3xi32>
    %67 = "stablehlo.compare"(%31, %66) {comparison_direction = #stablehlo<comparison_direction EQ>, compare_type = #stablehlo<comparison_type SIGNED>} : (tensor<3xi32>, tensor<3xi32>) -> tensor<3xi1>
    %68 = "stablehlo.broadcast_in_dim"(%65#1) {broadcast_dimensions = array<i64: 0>} : (tensor<1xi32>) -> tensor<1x3xi32>
    %69 = "stablehlo.broadcast_in_dim"(%31) {broadcast_dimensions = array<i64: 1>} : (tensor<3xi32>) -> tensor<1x3xi32>
    %70 = "stablehlo.compare"(%69, %68) {comparison_direction = #stablehlo<comparison_direction EQ>, compare_type = #stablehlo<comparison_type SIGNED>} : (tensor<1x3xi32>, tensor<1x3xi32>) -> tensor<1x3xi1>
    %71 = "stablehlo.broadcast_in_dim"(%a24) {broadcast_dimensions = array<i64>} : (tensor<i32>) -> tensor<3xi32>
    %72 = "stablehlo.broadcast_in_dim"(%71) {broadcast_dimensions = array<i64: 1>} : (tensor<3xi32>) -> tensor<1x3xi32>
    %73 = "stablehlo.broadcast_in_dim"(%31) {broadcast_dimensions = array<i64: 1>} : (tensor<3xi32>) -> tensor<1x3xi32>
    %74 = "stablehlo.select"(%70, %72, %73) : (tensor<1x3xi1>, tensor<1x3xi32>, tensor<1x3xi32>) -> tensor<1x3xi32>
    %75 = "stablehlo.broadcast_in_dim"(%65#1) {broadcast_dimensions = array<i64: 0>} : (tensor<1xi32>) -> tensor<1x3xi32>
    %76 = "stablehlo.broadcast_in_dim"(%67) {broadcast_dimensions = array<i64: 1>} : (tensor<3xi1>) -> tensor<1x3xi1>
    %77 = "stablehlo.select"(%76, %75, %74) : (tensor<1x3xi1>, tensor<1x3xi32>, tensor<1x3xi32>) -> tensor<1x3xi32>
    %78 = "stablehlo.reshape"(%77) : (tensor<1x3xi32>) -> tensor<1x3x1xi32>
    %79 = "stablehlo.gather"(%a25, %78) {dimension_numbers = #stablehlo.gather<offset_dims = [2], collapsed_slice_dims = [1], operand_batching_dims = [0], start_indices_batching_dims = [0], start_index_map = [1], index_vector_dim = 2>, slice_sizes = array<i64: 1, 1, 3>, indices_are_sorted = false} : (tensor<1x3x3xf32>, tensor<1x3x1xi32>) -> tensor<1x3x3xf32>
    %80 = "stablehlo.reshape"(%77) : (tensor<1x3xi32>) -> tensor<1x3x1xi32>
    %81 = "stablehlo.gather"(%a27, %80) {dimension_numbers = #stablehlo.gather<offset_dims = [], collapsed_slice_dims = [1], operand_batching_dims = [0], start_indices_batching_dims = [0], start_index_map = [1], index_vector_dim = 2>, slice_sizes = array<i64: 1, 1>, indices_are_sorted = false} : (tensor<1x3xi32>, tensor<1x3x1xi32>) -> tensor<1x3xi32>
    %82 = "stablehlo.broadcast_in_dim"(%a24) {broadcast_dimensions = array<i64>} : (tensor<i32>) -> tensor<3xi32>
    %83 = "stablehlo.iota"() {iota_dimension = 0 : i64} : () -> tensor<3xi32>
    %84 = "stablehlo.compare"(%83, %82) {comparison_direction = #stablehlo<comparison_direction EQ>, compare_type = #stablehlo<comparison_type SIGNED>} : (tensor<3xi32>, tensor<3xi32>) -> tensor<3xi1>
    %85 = "stablehlo.broadcast_in_dim"(%65#1) {broadcast_dimensions = array<i64: 0>} : (tensor<1xi32>) -> tensor<1x3xi32>
    %86 = "stablehlo.broadcast_in_dim"(%84) {broadcast_dimensions = array<i64: 1>} : (tensor<3xi1>) -> tensor<1x3xi1>
    %87 = "stablehlo.select"(%86, %85, %a26) : (tensor<1x3xi1>, tensor<1x3xi32>, tensor<1x3xi32>) -> tensor<1x3xi32>
    %88 = "stablehlo.compare"(%a24, %33) {comparison_direction = #stablehlo<comparison_direction LT>, compare_type = #stablehlo<comparison_type SIGNED>} : (tensor<i32>, tensor<i32>) -> tensor<i1>
    %89 = "stablehlo.add"(%a24, %35) : (tensor<i32>, tensor<i32>) -> tensor<i32>
    %90 = "stablehlo.select"(%88, %89, %a24) : (tensor<i1>, tensor<i32>, tensor<i32>) -> tensor<i32>
    %91 = "stablehlo.clamp"(%33, %90, %38) : (tensor<i32>, tensor<i32>, tensor<i32>) -> tensor<i32>
    %92 = "stablehlo.dynamic_slice"(%79, %33, %91, %33) {slice_sizes = array<i64: 1, 1, 3>} : (tensor<1x3x3xf32>, tensor<i32>, tensor<i32>, tensor<i32>) -> tensor<1x1x3xf32>
    %93 = "stablehlo.reshape"(%92) : (tensor<1x1x3xf32>) -> tensor<1x3xf32>
    %94 = "stablehlo.compare"(%a24, %33) {comparison_direction = #stablehlo<comparison_direction LT>, compare_type = #stablehlo<comparison_type SIGNED>} : (tensor<i32>, tensor<i32>) -> tensor<i1>
    %95 = "stablehlo.add"(%a24, %35) : (tensor<i32>, tensor<i32>) -> tensor<i32>
    %96 = "stablehlo.select"(%94, %95, %a24) : (tensor<i1>, tensor<i32>, tensor<i32>) -> tensor<i32>
    %97 = "stablehlo.clamp"(%33, %96, %38) : (tensor<i32>, tensor<i32>, tensor<i32>) -> tensor<i32>
    %98 = "stablehlo.dynamic_slice"(%93, %33, %97) {slice_sizes = array<i64: 1, 1>} : (tensor<1x3xf32>, tensor<i32>, tensor<i32>) -> tensor<1x1xf32>
    %99 = "stablehlo.reshape"(%98) : (tensor<1x1xf32>) -> tensor<1xf32>
    %100 = "stablehlo.broadcast_in_dim"(%a24) {broadcast_dimensions = array<i64>} : (tensor<i32>) -> tensor<3xi32>
    %101 = "stablehlo.compare"(%31, %100) {comparison_direction = #stablehlo<comparison_direction GT>, compare_type = #stablehlo<comparison_type SIGNED>} : (tensor<3xi32>, tensor<3xi32>) -> tensor<3xi1>
    %102 = "stablehlo.compare"(%a24, %33) {comparison_direction = #stablehlo<comparison_direction LT>, compare_type = #stablehlo<comparison_type SIGNED>} : (tensor<i32>, tensor<i32>) -> tensor<i1>
    %103 = "stablehlo.add"(%a24, %35) : (tensor<i32>, tensor<i32>) -> tensor<i32>
    %104 = "stablehlo.select"(%102, %103, %a24) : (tensor<i1>, tensor<i32>, tensor<i32>) -> tensor<i32>
    %105 = "stablehlo.clamp"(%33, %104, %38) : (tensor<i32>, tensor<i32>, tensor<i32>) -> tensor<i32>
    %106 = "stablehlo.dynamic_slice"(%79, %33, %33, %105) {slice_sizes = array<i64: 1, 3, 1>} : (tensor<1x3x3xf32>, tensor<i32>, tensor<i32>, tensor<i32>) -> tensor<1x3x1xf32>
    %107 = "stablehlo.reshape"(%106) : (tensor<1x3x1xf32>) -> tensor<1x3xf32>
    %108 = "stablehlo.constant"() {value = dense<0.0> : tensor<f32>} : () -> tensor<f32>
    %109 = "stablehlo.broadcast_in_dim"(%108) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<1xf32>
    %110 = "stablehlo.compare"(%99, %109) {comparison_direction = #stablehlo<comparison_direction NE>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<1xf32>, tensor<1xf32>) -> tensor<1xi1>
    %111 = "stablehlo.broadcast_in_dim"(%110) {broadcast_dimensions = array<i64: 0>} : (tensor<1xi1>) -> tensor<1x3xi1>
    %112 = "stablehlo.broadcast_in_dim"(%101) {broadcast_dimensions = array<i64: 1>} : (tensor<3xi1>) -> tensor<1x3xi1>
    %113 = "stablehlo.and"(%112, %111) : (tensor<1x3xi1>, tensor<1x3xi1>) -> tensor<1x3xi1>
    %114 = "stablehlo.broadcast_in_dim"(%99) {broadcast_dimensions = array<i64: 0>} : (tensor<1xf32>) -> tensor<1x3xf32>
    %115 = "stablehlo.divide"(%107, %114) : (tensor<1x3xf32>, tensor<1x3xf32>) -> tensor<1x3xf32>
    %116 = "stablehlo.select"(%113, %115, %107) : (tensor<1x3xi1>, tensor<1x3xf32>, tensor<1x3xf32>) -> tensor<1x3xf32>
    %117 = "stablehlo.broadcast_in_dim"(%a24) {broadcast_dimensions = array<i64>} : (tensor<i32>) -> tensor<3xi32>
    %118 = "stablehlo.compare"(%83, %117) {comparison_direction = #stablehlo<comparison_direction EQ>, compare_type = #stablehlo<comparison_type SIGNED>} : (tensor<3xi32>, tensor<3xi32>) -> tensor<3xi1>
    %119 = "stablehlo.reshape"(%118) : (tensor<3xi1>) -> tensor<1x3xi1>
    %120 = "stablehlo.reshape"(%116) : (tensor<1x3xf32>) -> tensor<1x3x1xf32>
    %121 = "stablehlo.broadcast_in_dim"(%120) {broadcast_dimensions = array<i64: 0, 1, 2>} : (tensor<1x3x1xf32>) -> tensor<1x3x3xf32>
    %122 = "stablehlo.broadcast_in_dim"(%119) {broadcast_dimensions = array<i64: 0, 1>} : (tensor<1x3xi1>) -> tensor<3x3xi1>
    %123 = "stablehlo.broadcast_in_dim"(%122) {broadcast_dimensions = array<i64: 1, 2>} : (tensor<3x3xi1>) -> tensor<1x3x3xi1>
    %124 = "stablehlo.select"(%123, %121, %79) : (tensor<1x3x3xi1>, tensor<1x3x3xf32>, tensor<1x3x3xf32>) -> tensor<1x3x3xf32>
    %125 = "stablehlo.reshape"(%101) : (tensor<3xi1>) -> tensor<3x1xi1>
    %126 = "stablehlo.broadcast_in_dim"(%a24) {broadcast_dimensions = array<i64>} : (tensor<i32>) -> tensor<3xi32>
    %127 = "stablehlo.compare"(%83, %126) {comparison_direction = #stablehlo<comparison_direction GT>, compare_type = #stablehlo<comparison_type SIGNED>} : (tensor<3xi32>, tensor<3xi32>) -> tensor<3xi1>
    %128 = "stablehlo.reshape"(%127) : (tensor<3xi1>) -> tensor<1x3xi1>
    %129 = "stablehlo.broadcast_in_dim"(%125) {broadcast_dimensions = array<i64: 0, 1>} : (tensor<3x1xi1>) -> tensor<3x3xi1>
    %130 = "stablehlo.broadcast_in_dim"(%128) {broadcast_dimensions = array<i64: 0, 1>} : (tensor<1x3xi1>) -> tensor<3x3xi1>
    %131 = "stablehlo.and"(%129, %130) : (tensor<3x3xi1>, tensor<3x3xi1>) -> tensor<3x3xi1>
    %132 = "stablehlo.reshape"(%116) : (tensor<1x3xf32>) -> tensor<1x3x1xf32>
    %133 = "stablehlo.reshape"(%93) : (tensor<1x3xf32>) -> tensor<1x1x3xf32>
    %134 = "stablehlo.broadcast_in_dim"(%132) {broadcast_dimensions = array<i64: 0, 1, 2>} : (tensor<1x3x1xf32>) -> tensor<1x3x3xf32>
    %135 = "stablehlo.broadcast_in_dim"(%133) {broadcast_dimensions = array<i64: 0, 1, 2>} : (tensor<1x1x3xf32>) -> tensor<1x3x3xf32>
    %136 = "stablehlo.multiply"(%134, %135) : (tensor<1x3x3xf32>, tensor<1x3x3xf32>) -> tensor<1x3x3xf32>
    %137 = "stablehlo.broadcast_in_dim"(%108) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<3x3xf32>
    %138 = "stablehlo.broadcast_in_dim"(%131) {broadcast_dimensions = array<i64: 1, 2>} : (tensor<3x3xi1>) -> tensor<1x3x3xi1>
    %139 = "stablehlo.broadcast_in_dim"(%137) {broadcast_dimensions = array<i64: 1, 2>} : (tensor<3x3xf32>) -> tensor<1x3x3xf32>
    %140 = "stablehlo.select"(%138, %136, %139) : (tensor<1x3x3xi1>, tensor<1x3x3xf32>, tensor<1x3x3xf32>) -> tensor<1x3x3xf32>
    %141 = "stablehlo.subtract"(%124, %140) : (tensor<1x3x3xf32>, tensor<1x3x3xf32>) -> tensor<1x3x3xf32>
    %142 = "stablehlo.add"(%a23, %28) : (tensor<i32>, tensor<i32>) -> tensor<i32>
    stablehlo.return %142, %29, %141, %87, %81 : tensor<i32>, tensor<i32>, tensor<1x3x3xf32>, tensor<1x3xi32>, tensor<1x3xi32>
  }) : (tensor<i32>, tensor<i32>, tensor<1x3x3xf32>, tensor<1x3xi32>, tensor<1x3xi32>) -> (tensor<i32>, tensor<i32>, tensor<1x3x3xf32>, tensor<1x3xi32>, tensor<1x3xi32>)
  %144 = "stablehlo.constant"() {value = dense<> : tensor<1x0x3xf32>} : () -> tensor<1x0x3xf32>
  %145 = "stablehlo.reshape"(%143#4) : (tensor<1x3xi32>) -> tensor<1x3x1xi32>
  %146 = "stablehlo.gather"(%8, %145) {dimension_numbers = #stablehlo.gather<offset_dims = [2], collapsed_slice_dims = [1], operand_batching_dims = [0], start_indices_batching_dims = [0], start_index_map = [1], index_vector_dim = 2>, slice_sizes = array<i64: 1, 1, 3>, indices_are_sorted = false} : (tensor<1x3x3xf32>, tensor<1x3x1xi32>) -> tensor<1x3x3xf32>
  %147 = "stablehlo.constant"() {value = dense<> : tensor<0xi32>} : () -> tensor<0xi32>
  %148 = "stablehlo.reshape"(%143#4) : (tensor<1x3xi32>) -> tensor<1x3x1xi32>
  %149 = "stablehlo.gather"(%9, %148) {dimension_numbers = #stablehlo.gather<offset_dims = [], collapsed_slice_dims = [0], operand_batching_dims = [], start_indices_batching_dims = [], start_index_map = [0], index_vector_dim = 2>, slice_sizes = array<i64: 1>, indices_are_sorted = false} : (tensor<3xi32>, tensor<1x3x1xi32>) -> tensor<1x3xi32>
  %150 = "stablehlo.constant"() {value = dense<> : tensor<1x0xi32>} : () -> tensor<1x0xi32>
  %151 = "stablehlo.broadcast_in_dim"(%12) {broadcast_dimensions = array<i64: 1>} : (tensor<3xi32>) -> tensor<1x3xi32>
  %152 = "stablehlo.add"(%143#3, %151) : (tensor<1x3xi32>, tensor<1x3xi32>) -> tensor<1x3xi32>
  %153 = "stablehlo.constant"() {value = dense<> : tensor<1x3x0xf32>} : () -> tensor<1x3x0xf32>
  %154 = "stablehlo.is_finite"(%8) : (tensor<1x3x3xf32>) -> tensor<1x3x3xi1>
  %155 = "stablehlo.constant"() {value = dense<true> : tensor<i1>} : () -> tensor<i1>
  %159 = "stablehlo.reduce"(%154, %155) ({
  ^bb0(%a156: tensor<i1>, %a157: tensor<i1>):
    %158 = "stablehlo.and"(%a156, %a157) : (tensor<i1>, tensor<i1>) -> tensor<i1>
    stablehlo.return %158 : tensor<i1>
  }) {dimensions = array<i64: 2, 1>} : (tensor<1x3x3xi1>, tensor<i1>) -> tensor<1xi1>
  %160 = "stablehlo.reshape"(%159) : (tensor<1xi1>) -> tensor<1x1xi1>
  %161 = "stablehlo.reshape"(%143#2) : (tensor<1x3x3xf32>) -> tensor<3x3xf32>
  %162 = "stablehlo.constant"() {value = dense<0x7FC00000> : tensor<3x3xf32>} : () -> tensor<3x3xf32>
  %163 = "stablehlo.broadcast_in_dim"(%160) {broadcast_dimensions = array<i64: 0, 1>} : (tensor<1x1xi1>) -> tensor<3x3xi1>
  %164 = "stablehlo.select"(%163, %161, %162) : (tensor<3x3xi1>, tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
  %165 = "stablehlo.reshape"(%152) : (tensor<1x3xi32>) -> tensor<3xi32>
  %166 = "stablehlo.reshape"(%160) : (tensor<1x1xi1>) -> tensor<1xi1>
  %167 = "stablehlo.iota"() {iota_dimension = 0 : i64} : () -> tensor<3xi32>
  %168 = "stablehlo.broadcast_in_dim"(%166) {broadcast_dimensions = array<i64: 0>} : (tensor<1xi1>) -> tensor<3xi1>
  %169 = "stablehlo.select"(%168, %165, %167) : (tensor<3xi1>, tensor<3xi32>, tensor<3xi32>) -> tensor<3xi32>
  %170 = "stablehlo.reshape"(%149) : (tensor<1x3xi32>) -> tensor<3xi32>
  %171 = "stablehlo.reshape"(%160) : (tensor<1x1xi1>) -> tensor<1xi1>
  %172 = "stablehlo.iota"() {iota_dimension = 0 : i64} : () -> tensor<3xi32>
  %173 = "stablehlo.broadcast_in_dim"(%171) {broadcast_dimensions = array<i64: 0>} : (tensor<1xi1>) -> tensor<3xi1>
  %174 = "stablehlo.select"(%173, %170, %172) : (tensor<3xi1>, tensor<3xi32>, tensor<3xi32>) -> tensor<3xi32>
  %175 = "stablehlo.reshape"(%174) : (tensor<3xi32>) -> tensor<3x1xi32>
  %176 = "stablehlo.broadcast_in_dim"(%13) {broadcast_dimensions = array<i64>} : (tensor<i32>) -> tensor<3x1xi32>
  %177 = "stablehlo.compare"(%175, %176) {comparison_direction = #stablehlo<comparison_direction LT>, compare_type = #stablehlo<comparison_type SIGNED>} : (tensor<3x1xi32>, tensor<3x1xi32>) -> tensor<3x1xi1>
  %178 = "stablehlo.constant"() {value = dense<3> : tensor<3x1xi32>} : () -> tensor<3x1xi32>
  %179 = "stablehlo.add"(%175, %178) : (tensor<3x1xi32>, tensor<3x1xi32>) -> tensor<3x1xi32>
  %180 = "stablehlo.select"(%177, %179, %175) : (tensor<3x1xi1>, tensor<3x1xi32>, tensor<3x1xi32>) -> tensor<3x1xi32>
  %181 = "stablehlo.reshape"(%180) : (tensor<3x1xi32>) -> tensor<3x1x1xi32>
  %182 = "stablehlo.gather"(%7, %181) {dimension_numbers = #stablehlo.gather<offset_dims = [], collapsed_slice_dims = [0], operand_batching_dims = [1], start_indices_batching_dims = [1], start_index_map = [0], index_vector_dim = 2>, slice_sizes = array<i64: 1, 1>, indices_are_sorted = false} : (tensor<3x1xf32>, tensor<3x1x1xi32>) -> tensor<3x1xf32>
  %183 = "stablehlo.constant"() {value = dense<0> : tensor<3x1x1xi32>} : () -> tensor<3x1x1xi32>
  %184 = "stablehlo.constant"() {value = dense<2> : tensor<1xi32>} : () -> tensor<1xi32>
  %185 = "stablehlo.broadcast_in_dim"(%184) {broadcast_dimensions = array<i64: 2>} : (tensor<1xi32>) -> tensor<3x1x1xi32>
  %186 = "stablehlo.compare"(%181, %183) {comparison_direction = #stablehlo<comparison_direction GE>, compare_type = #stablehlo<comparison_type SIGNED>} : (tensor<3x1x1xi32>, tensor<3x1x1xi32>) -> tensor<3x1x1xi1>
  %187 = "stablehlo.compare"(%181, %185) {comparison_direction = #stablehlo<comparison_direction LE>, compare_type = #stablehlo<comparison_type SIGNED>} : (tensor<3x1x1xi32>, tensor<3x1x1xi32>) -> tensor<3x1x1xi1>
  %188 = "stablehlo.and"(%186, %187) : (tensor<3x1x1xi1>, tensor<3x1x1xi1>) -> tensor<3x1x1xi1>
  %192 = "stablehlo.reduce"(%188, %155) ({
  ^bb0(%a189: tensor<i1>, %a190: tensor<i1>):
    %191 = "stablehlo.and"(%a189, %a190) : (tensor<i1>, tensor<i1>) -> tensor<i1>
    stablehlo.return %191 : tensor<i1>
  }) {dimensions = array<i64: 2>} : (tensor<3x1x1xi1>, tensor<i1>) -> tensor<3x1xi1>
  %193 = "stablehlo.broadcast_in_dim"(%192) {broadcast_dimensions = array<i64: 0, 1>} : (tensor<3x1xi1>) -> tensor<3x1xi1>
  %194 = "stablehlo.constant"() {value = dense<0x7FC00000> : tensor<3x1xf32>} : () -> tensor<3x1xf32>
  %195 = "stablehlo.select"(%193, %182, %194) : (tensor<3x1xi1>, tensor<3x1xf32>, tensor<3x1xf32>) -> tensor<3x1xf32>
  %196 = "stablehlo.triangular_solve"(%164, %195) {left_side = true, lower = true, transpose_a = #stablehlo<transpose NO_TRANSPOSE>, unit_diagonal = true} : (tensor<3x3xf32>, tensor<3x1xf32>) -> tensor<3x1xf32>
  %197 = "stablehlo.triangular_solve"(%164, %196) {left_side = true, lower = false, transpose_a = #stablehlo<transpose NO_TRANSPOSE>, unit_diagonal = false} : (tensor<3x3xf32>, tensor<3x1xf32>) -> tensor<3x1xf32>
  %198 = "stablehlo.reshape"(%197) : (tensor<3x1xf32>) -> tensor<3xf32>
  return %198 : tensor<3xf32>
}
}
