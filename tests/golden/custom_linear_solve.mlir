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
    %30 = "stablehlo.constant"() {value = dense<0> : tensor<i32>} : () -> tensor<i32>
    %31 = "stablehlo.compare"(%a24, %30) {comparison_direction = #stablehlo<comparison_direction LT>, compare_type = #stablehlo<comparison_type SIGNED>} : (tensor<i32>, tensor<i32>) -> tensor<i1>
    %32 = "stablehlo.constant"() {value = dense<3> : tensor<i32>} : () -> tensor<i32>
    %33 = "stablehlo.add"(%a24, %32) : (tensor<i32>, tensor<i32>) -> tensor<i32>
    %34 = "stablehlo.select"(%31, %33, %a24) : (tensor<i1>, tensor<i32>, tensor<i32>) -> tensor<i32>
    %35 = "stablehlo.constant"() {value = dense<2> : tensor<i32>} : () -> tensor<i32>
    %36 = "stablehlo.clamp"(%30, %34, %35) : (tensor<i32>, tensor<i32>, tensor<i32>) -> tensor<i32>
    %37 = "stablehlo.dynamic_slice"(%a25, %30, %30, %36) {slice_sizes = array<i64: 1, 3, 1>} : (tensor<1x3x3xf32>, tensor<i32>, tensor<i32>, tensor<i32>) -> tensor<1x3x1xf32>
    %38 = "stablehlo.reshape"(%37) : (tensor<1x3x1xf32>) -> tensor<1x3xf32>
    %39 = "stablehlo.abs"(%38) : (tensor<1x3xf32>) -> tensor<1x3xf32>
    %40 = "stablehlo.broadcast_in_dim"(%a24) {broadcast_dimensions = array<i64>} : (tensor<i32>) -> tensor<3xi32>
    %41 = "stablehlo.iota"() {iota_dimension = 0 : i64} : () -> tensor<3xi32>
    %42 = "stablehlo.compare"(%41, %40) {comparison_direction = #stablehlo<comparison_direction GE>, compare_type = #stablehlo<comparison_type SIGNED>} : (tensor<3xi32>, tensor<3xi32>) -> tensor<3xi1>
    %43 = "stablehlo.constant"() {value = dense<-1.0> : tensor<f32>} : () -> tensor<f32>
    %44 = "stablehlo.broadcast_in_dim"(%43) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<3xf32>
    %45 = "stablehlo.broadcast_in_dim"(%42) {broadcast_dimensions = array<i64: 1>} : (tensor<3xi1>) -> tensor<1x3xi1>
    %46 = "stablehlo.broadcast_in_dim"(%44) {broadcast_dimensions = array<i64: 1>} : (tensor<3xf32>) -> tensor<1x3xf32>
    %47 = "stablehlo.select"(%45, %39, %46) : (tensor<1x3xi1>, tensor<1x3xf32>, tensor<1x3xf32>) -> tensor<1x3xf32>
    %48 = "stablehlo.iota"() {iota_dimension = 1 : i64} : () -> tensor<1x3xi32>
    %49 = "stablehlo.constant"() {value = dense<0xFF800000> : tensor<f32>} : () -> tensor<f32>
    %65:2 = "stablehlo.reduce"(%47, %48, %49, %30) ({
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
    %67 = "stablehlo.compare"(%41, %66) {comparison_direction = #stablehlo<comparison_direction EQ>, compare_type = #stablehlo<comparison_type SIGNED>} : (tensor<3xi32>, tensor<3xi32>) -> tensor<3xi1>
    %68 = "stablehlo.broadcast_in_dim"(%65#1) {broadcast_dimensions = array<i64: 0>} : (tensor<1xi32>) -> tensor<1x3xi32>
    %69 = "stablehlo.broadcast_in_dim"(%41) {broadcast_dimensions = array<i64: 1>} : (tensor<3xi32>) -> tensor<1x3xi32>
    %70 = "stablehlo.compare"(%69, %68) {comparison_direction = #stablehlo<comparison_direction EQ>, compare_type = #stablehlo<comparison_type SIGNED>} : (tensor<1x3xi32>, tensor<1x3xi32>) -> tensor<1x3xi1>
    %71 = "stablehlo.broadcast_in_dim"(%a24) {broadcast_dimensions = array<i64>} : (tensor<i32>) -> tensor<3xi32>
    %72 = "stablehlo.broadcast_in_dim"(%71) {broadcast_dimensions = array<i64: 1>} : (tensor<3xi32>) -> tensor<1x3xi32>
    %73 = "stablehlo.broadcast_in_dim"(%41) {broadcast_dimensions = array<i64: 1>} : (tensor<3xi32>) -> tensor<1x3xi32>
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
    %88 = "stablehlo.compare"(%a24, %30) {comparison_direction = #stablehlo<comparison_direction LT>, compare_type = #stablehlo<comparison_type SIGNED>} : (tensor<i32>, tensor<i32>) -> tensor<i1>
    %89 = "stablehlo.add"(%a24, %32) : (tensor<i32>, tensor<i32>) -> tensor<i32>
    %90 = "stablehlo.select"(%88, %89, %a24) : (tensor<i1>, tensor<i32>, tensor<i32>) -> tensor<i32>
    %91 = "stablehlo.clamp"(%30, %90, %35) : (tensor<i32>, tensor<i32>, tensor<i32>) -> tensor<i32>
    %92 = "stablehlo.dynamic_slice"(%79, %30, %91, %30) {slice_sizes = array<i64: 1, 1, 3>} : (tensor<1x3x3xf32>, tensor<i32>, tensor<i32>, tensor<i32>) -> tensor<1x1x3xf32>
    %93 = "stablehlo.reshape"(%92) : (tensor<1x1x3xf32>) -> tensor<1x3xf32>
    %94 = "stablehlo.compare"(%a24, %30) {comparison_direction = #stablehlo<comparison_direction LT>, compare_type = #stablehlo<comparison_type SIGNED>} : (tensor<i32>, tensor<i32>) -> tensor<i1>
    %95 = "stablehlo.add"(%a24, %32) : (tensor<i32>, tensor<i32>) -> tensor<i32>
    %96 = "stablehlo.select"(%94, %95, %a24) : (tensor<i1>, tensor<i32>, tensor<i32>) -> tensor<i32>
    %97 = "stablehlo.clamp"(%30, %96, %35) : (tensor<i32>, tensor<i32>, tensor<i32>) -> tensor<i32>
    %98 = "stablehlo.dynamic_slice"(%93, %30, %97) {slice_sizes = array<i64: 1, 1>} : (tensor<1x3xf32>, tensor<i32>, tensor<i32>) -> tensor<1x1xf32>
    %99 = "stablehlo.reshape"(%98) : (tensor<1x1xf32>) -> tensor<1xf32>
    %100 = "stablehlo.broadcast_in_dim"(%a24) {broadcast_dimensions = array<i64>} : (tensor<i32>) -> tensor<3xi32>
    %101 = "stablehlo.compare"(%41, %100) {comparison_direction = #stablehlo<comparison_direction GT>, compare_type = #stablehlo<comparison_type SIGNED>} : (tensor<3xi32>, tensor<3xi32>) -> tensor<3xi1>
    %102 = "stablehlo.compare"(%a24, %30) {comparison_direction = #stablehlo<comparison_direction LT>, compare_type = #stablehlo<comparison_type SIGNED>} : (tensor<i32>, tensor<i32>) -> tensor<i1>
    %103 = "stablehlo.add"(%a24, %32) : (tensor<i32>, tensor<i32>) -> tensor<i32>
    %104 = "stablehlo.select"(%102, %103, %a24) : (tensor<i1>, tensor<i32>, tensor<i32>) -> tensor<i32>
    %105 = "stablehlo.clamp"(%30, %104, %35) : (tensor<i32>, tensor<i32>, tensor<i32>) -> tensor<i32>
    %106 = "stablehlo.dynamic_slice"(%79, %30, %30, %105) {slice_sizes = array<i64: 1, 3, 1>} : (tensor<1x3x3xf32>, tensor<i32>, tensor<i32>, tensor<i32>) -> tensor<1x3x1xf32>
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
  %162 = "stablehlo.constant"() {value = dense<0.0> : tensor<f32>} : () -> tensor<f32>
  %163 = "stablehlo.constant"() {value = dense<0x7FC00000> : tensor<f32>} : () -> tensor<f32>
  %164 = "stablehlo.broadcast_in_dim"(%163) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<3x3xf32>
  %165 = "stablehlo.broadcast_in_dim"(%160) {broadcast_dimensions = array<i64: 0, 1>} : (tensor<1x1xi1>) -> tensor<3x3xi1>
  %166 = "stablehlo.select"(%165, %161, %164) : (tensor<3x3xi1>, tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
  %167 = "stablehlo.reshape"(%152) : (tensor<1x3xi32>) -> tensor<3xi32>
  %168 = "stablehlo.reshape"(%160) : (tensor<1x1xi1>) -> tensor<1xi1>
  %169 = "stablehlo.iota"() {iota_dimension = 0 : i64} : () -> tensor<3xi32>
  %170 = "stablehlo.broadcast_in_dim"(%168) {broadcast_dimensions = array<i64: 0>} : (tensor<1xi1>) -> tensor<3xi1>
  %171 = "stablehlo.select"(%170, %167, %169) : (tensor<3xi1>, tensor<3xi32>, tensor<3xi32>) -> tensor<3xi32>
  %172 = "stablehlo.reshape"(%149) : (tensor<1x3xi32>) -> tensor<3xi32>
  %173 = "stablehlo.reshape"(%160) : (tensor<1x1xi1>) -> tensor<1xi1>
  %174 = "stablehlo.iota"() {iota_dimension = 0 : i64} : () -> tensor<3xi32>
  %175 = "stablehlo.broadcast_in_dim"(%173) {broadcast_dimensions = array<i64: 0>} : (tensor<1xi1>) -> tensor<3xi1>
  %176 = "stablehlo.select"(%175, %172, %174) : (tensor<3xi1>, tensor<3xi32>, tensor<3xi32>) -> tensor<3xi32>
  %177 = "stablehlo.reshape"(%176) : (tensor<3xi32>) -> tensor<3x1xi32>
  %178 = "stablehlo.broadcast_in_dim"(%13) {broadcast_dimensions = array<i64>} : (tensor<i32>) -> tensor<3x1xi32>
  %179 = "stablehlo.compare"(%177, %178) {comparison_direction = #stablehlo<comparison_direction LT>, compare_type = #stablehlo<comparison_type SIGNED>} : (tensor<3x1xi32>, tensor<3x1xi32>) -> tensor<3x1xi1>
  %180 = "stablehlo.constant"() {value = dense<3> : tensor<3x1xi32>} : () -> tensor<3x1xi32>
  %181 = "stablehlo.add"(%177, %180) : (tensor<3x1xi32>, tensor<3x1xi32>) -> tensor<3x1xi32>
  %182 = "stablehlo.select"(%179, %181, %177) : (tensor<3x1xi1>, tensor<3x1xi32>, tensor<3x1xi32>) -> tensor<3x1xi32>
  %183 = "stablehlo.reshape"(%182) : (tensor<3x1xi32>) -> tensor<3x1x1xi32>
  %184 = "stablehlo.gather"(%7, %183) {dimension_numbers = #stablehlo.gather<offset_dims = [], collapsed_slice_dims = [0], operand_batching_dims = [1], start_indices_batching_dims = [1], start_index_map = [0], index_vector_dim = 2>, slice_sizes = array<i64: 1, 1>, indices_are_sorted = false} : (tensor<3x1xf32>, tensor<3x1x1xi32>) -> tensor<3x1xf32>
  %185 = "stablehlo.constant"() {value = dense<0> : tensor<3x1x1xi32>} : () -> tensor<3x1x1xi32>
  %186 = "stablehlo.constant"() {value = dense<2> : tensor<1xi32>} : () -> tensor<1xi32>
  %187 = "stablehlo.broadcast_in_dim"(%186) {broadcast_dimensions = array<i64: 2>} : (tensor<1xi32>) -> tensor<3x1x1xi32>
  %188 = "stablehlo.compare"(%183, %185) {comparison_direction = #stablehlo<comparison_direction GE>, compare_type = #stablehlo<comparison_type SIGNED>} : (tensor<3x1x1xi32>, tensor<3x1x1xi32>) -> tensor<3x1x1xi1>
  %189 = "stablehlo.compare"(%183, %187) {comparison_direction = #stablehlo<comparison_direction LE>, compare_type = #stablehlo<comparison_type SIGNED>} : (tensor<3x1x1xi32>, tensor<3x1x1xi32>) -> tensor<3x1x1xi1>
  %190 = "stablehlo.and"(%188, %189) : (tensor<3x1x1xi1>, tensor<3x1x1xi1>) -> tensor<3x1x1xi1>
  %194 = "stablehlo.reduce"(%190, %155) ({
  ^bb0(%a191: tensor<i1>, %a192: tensor<i1>):
    %193 = "stablehlo.and"(%a191, %a192) : (tensor<i1>, tensor<i1>) -> tensor<i1>
    stablehlo.return %193 : tensor<i1>
  }) {dimensions = array<i64: 2>} : (tensor<3x1x1xi1>, tensor<i1>) -> tensor<3x1xi1>
  %195 = "stablehlo.broadcast_in_dim"(%194) {broadcast_dimensions = array<i64: 0, 1>} : (tensor<3x1xi1>) -> tensor<3x1xi1>
  %196 = "stablehlo.constant"() {value = dense<0x7FC00000> : tensor<3x1xf32>} : () -> tensor<3x1xf32>
  %197 = "stablehlo.select"(%195, %184, %196) : (tensor<3x1xi1>, tensor<3x1xf32>, tensor<3x1xf32>) -> tensor<3x1xf32>
  %198 = "stablehlo.triangular_solve"(%166, %197) {left_side = true, lower = true, transpose_a = #stablehlo<transpose NO_TRANSPOSE>, unit_diagonal = true} : (tensor<3x3xf32>, tensor<3x1xf32>) -> tensor<3x1xf32>
  %199 = "stablehlo.triangular_solve"(%166, %198) {left_side = true, lower = false, transpose_a = #stablehlo<transpose NO_TRANSPOSE>, unit_diagonal = false} : (tensor<3x3xf32>, tensor<3x1xf32>) -> tensor<3x1xf32>
  %200 = "stablehlo.reshape"(%199) : (tensor<3x1xf32>) -> tensor<3xf32>
  return %200 : tensor<3xf32>
}
}
