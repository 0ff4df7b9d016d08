// svd of f32: square
module @main {
func.func public @main(%arg0: tensor<3x3xf32>) -> (tensor<3x3xf32>, tensor<3xf32>) {
  %0 = "stablehlo.is_finite"(%arg0) : (tensor<3x3xf32>) -> tensor<3x3xi1>
  %1 = "stablehlo.constant"() {value = dense<true> : tensor<i1>} : () -> tensor<i1>
  %5 = "stablehlo.reduce"(%0, %1) ({
  ^bb0(%a2: tensor<i1>, %a3: tensor<i1>):
    %4 = "stablehlo.and"(%a2, %a3) : (tensor<i1>, tensor<i1>) -> tensor<i1>
    stablehlo.return %4 : tensor<i1>
  }) {dimensions = array<i64: 1, 0>} : (tensor<3x3xi1>, tensor<i1>) -> tensor<i1>
  %6 = "stablehlo.reshape"(%5) : (tensor<i1>) -> tensor<1xi1>
  %7 = "stablehlo.reshape"(%6) : (tensor<1xi1>) -> tensor<1x1xi1>
  %8 = "stablehlo.constant"() {value = dense<0.0> : tensor<f32>} : () -> tensor<f32>
  %9 = "stablehlo.broadcast_in_dim"(%8) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<3x3xf32>
  %10 = "stablehlo.broadcast_in_dim"(%7) {broadcast_dimensions = array<i64: 0, 1>} : (tensor<1x1xi1>) -> tensor<3x3xi1>
  %11 = "stablehlo.select"(%10, %arg0, %9) : (tensor<3x3xi1>, tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
  %12:2 = "stablehlo.custom_call"(%11) {call_target_name = "Qr", backend_config = "", api_version = 1 : i32} : (tensor<3x3xf32>) -> (tensor<3x3xf32>, tensor<3xf32>)
  %13 = "stablehlo.constant"() {value = dense<> : tensor<3x0xf32>} : () -> tensor<3x0xf32>
  %14 = "stablehlo.custom_call"(%12#0, %12#1) {call_target_name = "ProductOfElementaryHouseholderReflectors", backend_config = "", api_version = 1 : i32} : (tensor<3x3xf32>, tensor<3xf32>) -> tensor<3x3xf32>
  %15 = "stablehlo.is_finite"(%11) : (tensor<3x3xf32>) -> tensor<3x3xi1>
  %19 = "stablehlo.reduce"(%15, %1) ({
  ^bb0(%a16: tensor<i1>, %a17: tensor<i1>):
    %18 = "stablehlo.and"(%a16, %a17) : (tensor<i1>, tensor<i1>) -> tensor<i1>
    stablehlo.return %18 : tensor<i1>
  }) {dimensions = array<i64: 1, 0>} : (tensor<3x3xi1>, tensor<i1>) -> tensor<i1>
  %20 = "stablehlo.reshape"(%19) : (tensor<i1>) -> tensor<1xi1>
  %21 = "stablehlo.reshape"(%20) : (tensor<1xi1>) -> tensor<1x1xi1>
  %22 = "stablehlo.constant"() {value = dense<0x7FC00000> : tensor<f32>} : () -> tensor<f32>
  %23 = "stablehlo.broadcast_in_dim"(%22) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<3x3xf32>
  %24 = "stablehlo.broadcast_in_dim"(%21) {broadcast_dimensions = array<i64: 0, 1>} : (tensor<1x1xi1>) -> tensor<3x3xi1>
  %25 = "stablehlo.select"(%24, %14, %23) : (tensor<3x3xi1>, tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
  %26 = "stablehlo.transpose"(%12#0) {permutation = array<i64: 1, 0>} : (tensor<3x3xf32>) -> tensor<3x3xf32>
  %27 = "stablehlo.iota"() {iota_dimension = 0 : i64} : () -> tensor<3x3xi32>
  %28 = "stablehlo.constant"() {value = dense<0> : tensor<3x3xi32>} : () -> tensor<3x3xi32>
  %29 = "stablehlo.add"(%27, %28) : (tensor<3x3xi32>, tensor<3x3xi32>) -> tensor<3x3xi32>
  %30 = "stablehlo.iota"() {iota_dimension = 1 : i64} : () -> tensor<3x3xi32>
  %31 = "stablehlo.compare"(%29, %30) {comparison_direction = #stablehlo<comparison_direction GE>, compare_type = #stablehlo<comparison_type SIGNED>} : (tensor<3x3xi32>, tensor<3x3xi32>) -> tensor<3x3xi1>
  %32 = "stablehlo.constant"() {value = dense<0.0> : tensor<3x3xf32>} : () -> tensor<3x3xf32>
  %33 = "stablehlo.select"(%31, %26, %32) : (tensor<3x3xi1>, tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
  %34 = "stablehlo.transpose"(%33) {permutation = array<i64: 1, 0>} : (tensor<3x3xf32>) -> tensor<3x3xf32>
  %35 = "stablehlo.broadcast_in_dim"(%22) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<3x3xf32>
  %36 = "stablehlo.broadcast_in_dim"(%21) {broadcast_dimensions = array<i64: 0, 1>} : (tensor<1x1xi1>) -> tensor<3x3xi1>
  %37 = "stablehlo.select"(%36, %34, %35) : (tensor<3x3xi1>, tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
  %38 = "stablehlo.abs"(%37) : (tensor<3x3xf32>) -> tensor<3x3xf32>
  %39 = "stablehlo.constant"() {value = dense<0xFF800000> : tensor<f32>} : () -> tensor<f32>
  %43 = "stablehlo.reduce"(%38, %39) ({
  ^bb0(%a40: tensor<f32>, %a41: tensor<f32>):
    %42 = "stablehlo.maximum"(%a40, %a41) : (tensor<f32>, tensor<f32>) -> tensor<f32>
    stablehlo.return %42 : tensor<f32>
  }) {dimensions = array<i64: 1, 0>} : (tensor<3x3xf32>, tensor<f32>) -> tensor<f32>
  %44 = "stablehlo.reshape"(%43) : (tensor<f32>) -> tensor<1x1xf32>
  %45 = "stablehlo.broadcast_in_dim"(%8) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<1x1xf32>
  %46 = "stablehlo.compare"(%44, %45) {comparison_direction = #stablehlo<comparison_direction EQ>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xi1>
  %47 = "stablehlo.constant"() {value = dense<1.0> : tensor<1x1xf32>} : () -> tensor<1x1xf32>
  %48 = "stablehlo.select"(%46, %47, %44) : (tensor<1x1xi1>, tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
  %49 = "stablehlo.divide"(%47, %48) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
  %50 = "stablehlo.broadcast_in_dim"(%49) {broadcast_dimensions = array<i64: 0, 1>} : (tensor<1x1xf32>) -> tensor<3x3xf32>
  %51 = "stablehlo.multiply"(%37, %50) : (tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
  %52 = "stablehlo.multiply"(%51, %51) : (tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
  %56 = "stablehlo.reduce"(%52, %8) ({
  ^bb0(%a53: tensor<f32>, %a54: tensor<f32>):
    %55 = "stablehlo.add"(%a53, %a54) : (tensor<f32>, tensor<f32>) -> tensor<f32>
    stablehlo.return %55 : tensor<f32>
  }) {dimensions = array<i64: 1, 0>} : (tensor<3x3xf32>, tensor<f32>) -> tensor<f32>
  %57 = "stablehlo.reshape"(%56) : (tensor<f32>) -> tensor<1x1xf32>
  %58 = "stablehlo.sqrt"(%57) : (tensor<1x1xf32>) -> tensor<1x1xf32>
  %59 = "stablehlo.broadcast_in_dim"(%8) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<1x1xf32>
  %60 = "stablehlo.compare"(%58, %59) {comparison_direction = #stablehlo<comparison_direction EQ>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xi1>
  %61 = "stablehlo.select"(%60, %47, %58) : (tensor<1x1xi1>, tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
  %62 = "stablehlo.divide"(%47, %61) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
  %63 = "stablehlo.broadcast_in_dim"(%62) {broadcast_dimensions = array<i64: 0, 1>} : (tensor<1x1xf32>) -> tensor<3x3xf32>
  %64 = "stablehlo.multiply"(%51, %63) : (tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
  %65 = "stablehlo.iota"() {iota_dimension = 0 : i64} : () -> tensor<3x3xi32>
  %66 = "stablehlo.iota"() {iota_dimension = 1 : i64} : () -> tensor<3x3xi32>
  %67 = "stablehlo.compare"(%65, %66) {comparison_direction = #stablehlo<comparison_direction EQ>, compare_type = #stablehlo<comparison_type SIGNED>} : (tensor<3x3xi32>, tensor<3x3xi32>) -> tensor<3x3xi1>
  %68 = "stablehlo.convert"(%67) : (tensor<3x3xi1>) -> tensor<3x3xf32>
  %69 = "stablehlo.constant"() {value = dense<1.1920929e-7> : tensor<1x1xf32>} : () -> tensor<1x1xf32>
  %70 = "stablehlo.constant"() {value = dense<0> : tensor<i32>} : () -> tensor<i32>
  %182:4 = "stablehlo.while"(%68, %70, %64, %69) ({
  ^bb0(%a71: tensor<3x3xf32>, %a72: tensor<i32>, %a73: tensor<3x3xf32>, %a74: tensor<1x1xf32>):
    %75 = "stablehlo.constant"() {value = dense<20> : tensor<i32>} : () -> tensor<i32>
    %76 = "stablehlo.compare"(%a72, %75) {comparison_direction = #stablehlo<comparison_direction LT>, compare_type = #stablehlo<comparison_type SIGNED>} : (tensor<i32>, tensor<i32>) -> tensor<i1>
    %77 = "stablehlo.constant"() {value = dense<0.9999995> : tensor<f32>} : () -> tensor<f32>
    %78 = "stablehlo.broadcast_in_dim"(%77) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<1x1xf32>
    %79 = "stablehlo.compare"(%a74, %78) {comparison_direction = #stablehlo<comparison_direction LT>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xi1>
    %80 = "stablehlo.constant"() {value = dense<false> : tensor<i1>} : () -> tensor<i1>
    %84 = "stablehlo.reduce"(%79, %80) ({
    ^bb0(%a81: tensor<i1>, %a82: tensor<i1>):
      %83 = "stablehlo.or"(%a81, %a82) : (tensor<i1>, tensor<i1>) -> tensor<i1>
      stablehlo.return %83 : tensor<i1>
    }) {dimensions = array<i64: 0, 1>} : (tensor<1x1xi1>, tensor<i1>) -> tensor<i1>
    %85 = "stablehlo.and"(%76, %84) : (tensor<i1>, tensor<i1>) -> tensor<i1>
    stablehlo.return %85 : tensor<i1>
  }, {
  ^bb0(%a86: tensor<3x3xf32>, %a87: tensor<i32>, %a88: tensor<3x3xf32>, %a89: tensor<1x1xf32>):
    %90 = "stablehlo.multiply"(%a89, %a89) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %91 = "stablehlo.constant"() {value = dense<1.0> : tensor<1x1xf32>} : () -> tensor<1x1xf32>
    %92 = "stablehlo.subtract"(%91, %90) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %93 = "stablehlo.constant"() {value = dense<4.0> : tensor<1x1xf32>} : () -> tensor<1x1xf32>
    %94 = "stablehlo.multiply"(%92, %93) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %95 = "stablehlo.constant"() {value = dense<0.0> : tensor<f32>} : () -> tensor<f32>
    %96 = "stablehlo.broadcast_in_dim"(%95) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<1x1xf32>
    %97 = "stablehlo.maximum"(%94, %96) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %98 = "stablehlo.multiply"(%90, %90) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %99 = "stablehlo.divide"(%97, %98) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %100 = "stablehlo.cbrt"(%99) : (tensor<1x1xf32>) -> tensor<1x1xf32>
    %101 = "stablehlo.add"(%100, %91) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %102 = "stablehlo.sqrt"(%101) : (tensor<1x1xf32>) -> tensor<1x1xf32>
    %103 = "stablehlo.constant"() {value = dense<2.0> : tensor<1x1xf32>} : () -> tensor<1x1xf32>
    %104 = "stablehlo.subtract"(%103, %90) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %105 = "stablehlo.constant"() {value = dense<8.0> : tensor<1x1xf32>} : () -> tensor<1x1xf32>
    %106 = "stablehlo.multiply"(%104, %105) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %107 = "stablehlo.multiply"(%90, %102) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %108 = "stablehlo.divide"(%106, %107) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %109 = "stablehlo.multiply"(%100, %93) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %110 = "stablehlo.subtract"(%108, %109) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %111 = "stablehlo.add"(%110, %105) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %112 = "stablehlo.broadcast_in_dim"(%95) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<1x1xf32>
    %113 = "stablehlo.maximum"(%111, %112) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %114 = "stablehlo.sqrt"(%113) : (tensor<1x1xf32>) -> tensor<1x1xf32>
    %115 = "stablehlo.constant"() {value = dense<0.5> : tensor<1x1xf32>} : () -> tensor<1x1xf32>
    %116 = "stablehlo.multiply"(%114, %115) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %117 = "stablehlo.add"(%102, %116) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %118 = "stablehlo.subtract"(%117, %91) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %119 = "stablehlo.subtract"(%117, %91) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %120 = "stablehlo.multiply"(%118, %119) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %121 = "stablehlo.constant"() {value = dense<0.25> : tensor<1x1xf32>} : () -> tensor<1x1xf32>
    %122 = "stablehlo.multiply"(%120, %121) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %123 = "stablehlo.add"(%117, %122) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %124 = "stablehlo.subtract"(%123, %91) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %125 = "stablehlo.sqrt"(%124) : (tensor<1x1xf32>) -> tensor<1x1xf32>
    %126 = "stablehlo.broadcast_in_dim"(%125) {broadcast_dimensions = array<i64: 0, 1>} : (tensor<1x1xf32>) -> tensor<3x3xf32>
    %127 = "stablehlo.multiply"(%a88, %126) : (tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
    %128 = "stablehlo.concatenate"(%127, %a86) {dimension = 0 : i64} : (tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<6x3xf32>
    %129:2 = "stablehlo.custom_call"(%128) {call_target_name = "Qr", backend_config = "", api_version = 1 : i32} : (tensor<6x3xf32>) -> (tensor<6x3xf32>, tensor<3xf32>)
    %130 = "stablehlo.constant"() {value = dense<> : tensor<6x0xf32>} : () -> tensor<6x0xf32>
    %131 = "stablehlo.custom_call"(%129#0, %129#1) {call_target_name = "ProductOfElementaryHouseholderReflectors", backend_config = "", api_version = 1 : i32} : (tensor<6x3xf32>, tensor<3xf32>) -> tensor<6x3xf32>
    %132 = "stablehlo.is_finite"(%128) : (tensor<6x3xf32>) -> tensor<6x3xi1>
    %133 = "stablehlo.constant"() {value = dense<true> : tensor<i1>} : () -> tensor<i1>
    %137 = "stablehlo.reduce"(%132, %133) ({
    ^bb0(%a134: tensor<i1>, %a135: tensor<i1>):
      %136 = "stablehlo.and"(%a134, %a135) : (tensor<i1>, tensor<i1>) -> tensor<i1>
      stablehlo.return %136 : tensor<i1>
    }) {dimensions = array<i64: 1, 0>} : (tensor<6x3xi1>, tensor<i1>) -> tensor<i1>
    %138 = "stablehlo.reshape"(%137) : (tensor<i1>) -> tensor<1xi1>
    %139 = "stablehlo.reshape"(%138) : (tensor<1xi1>) -> tensor<1x1xi1>
    %140 = "stablehlo.constant"() {value = dense<0x7FC00000> : tensor<f32>} : () -> tensor<f32>
    %141 = "stablehlo.broadcast_in_dim"(%140) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<6x3xf32>
    %142 = "stablehlo.broadcast_in_dim"(%139) {broadcast_dimensions = array<i64: 0, 1>} : (tensor<1x1xi1>) -> tensor<6x3xi1>
    %143 = "stablehlo.select"(%142, %131, %141) : (tensor<6x3xi1>, tensor<6x3xf32>, tensor<6x3xf32>) -> tensor<6x3xf32>
    %144 = "stablehlo.slice"(%129#0) {start_indices = array<i64: 0, 0>, limit_indices = array<i64: 3, 3>, strides = array<i64: 1, 1>} : (tensor<6x3xf32>) -> tensor<3x3xf32>
    %145 = "stablehlo.transpose"(%144) {permutation = array<i64: 1, 0>} : (tensor<3x3xf32>) -> tensor<3x3xf32>
    %146 = "stablehlo.iota"() {iota_dimension = 0 : i64} : () -> tensor<3x3xi32>
    %147 = "stablehlo.constant"() {value = dense<0> : tensor<3x3xi32>} : () -> tensor<3x3xi32>
    %148 = "stablehlo.add"(%146, %147) : (tensor<3x3xi32>, tensor<3x3xi32>) -> tensor<3x3xi32>
    %149 = "stablehlo.iota"() {iota_dimension = 1 : i64} : () -> tensor<3x3xi32>
    %150 = "stablehlo.compare"(%148, %149) {comparison_direction = #stablehlo<comparison_direction GE>, compare_type = #stablehlo<comparison_type SIGNED>} : (tensor<3x3xi32>, tensor<3x3xi32>) -> tensor<3x3xi1>
    %151 = "stablehlo.constant"() {value = dense<0.0> : tensor<3x3xf32>} : () -> tensor<3x3xf32>
    %152 = "stablehlo.select"(%150, %145, %151) : (tensor<3x3xi1>, tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
    %153 = "stablehlo.transpose"(%152) {permutation = array<i64: 1, 0>} : (tensor<3x3xf32>) -> tensor<3x3xf32>
    %154 = "stablehlo.broadcast_in_dim"(%140) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<3x3xf32>
    %155 = "stablehlo.broadcast_in_dim"(%139) {broadcast_dimensions = array<i64: 0, 1>} : (tensor<1x1xi1>) -> tensor<3x3xi1>
    %156 = "stablehlo.select"(%155, %153, %154) : (tensor<3x3xi1>, tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
    %157 = "stablehlo.slice"(%143) {start_indices = array<i64: 0, 0>, limit_indices = array<i64: 3, 3>, strides = array<i64: 1, 1>} : (tensor<6x3xf32>) -> tensor<3x3xf32>
    %158 = "stablehlo.slice"(%143) {start_indices = array<i64: 3, 0>, limit_indices = array<i64: 6, 3>, strides = array<i64: 1, 1>} : (tensor<6x3xf32>) -> tensor<3x3xf32>
    %159 = "stablehlo.transpose"(%158) {permutation = array<i64: 1, 0>} : (tensor<3x3xf32>) -> tensor<3x3xf32>
    %160 = "stablehlo.dot_general"(%157, %159) {dot_dimension_numbers = #stablehlo.dot<lhs_batching_dimensions = [], rhs_batching_dimensions = [], lhs_contracting_dimensions = [1], rhs_contracting_dimensions = [0]>, precision_config = [#stablehlo<precision HIGHEST>, #stablehlo<precision HIGHEST>]} : (tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
    %161 = "stablehlo.divide"(%122, %124) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %162 = "stablehlo.broadcast_in_dim"(%161) {broadcast_dimensions = array<i64: 0, 1>} : (tensor<1x1xf32>) -> tensor<3x3xf32>
    %163 = "stablehlo.multiply"(%a88, %162) : (tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
    %164 = "stablehlo.divide"(%122, %124) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %165 = "stablehlo.subtract"(%117, %164) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %166 = "stablehlo.sqrt"(%124) : (tensor<1x1xf32>) -> tensor<1x1xf32>
    %167 = "stablehlo.divide"(%165, %166) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %168 = "stablehlo.broadcast_in_dim"(%167) {broadcast_dimensions = array<i64: 0, 1>} : (tensor<1x1xf32>) -> tensor<3x3xf32>
    %169 = "stablehlo.multiply"(%160, %168) : (tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
    %170 = "stablehlo.add"(%163, %169) : (tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
    %171 = "stablehlo.constant"() {value = dense<1> : tensor<i32>} : () -> tensor<i32>
    %172 = "stablehlo.add"(%a87, %171) : (tensor<i32>, tensor<i32>) -> tensor<i32>
    %173 = "stablehlo.multiply"(%122, %90) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %174 = "stablehlo.add"(%117, %173) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %175 = "stablehlo.multiply"(%a89, %174) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %176 = "stablehlo.multiply"(%124, %90) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %177 = "stablehlo.add"(%176, %91) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %178 = "stablehlo.divide"(%175, %177) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %179 = "stablehlo.constant"() {value = dense<1.0> : tensor<f32>} : () -> tensor<f32>
    %180 = "stablehlo.broadcast_in_dim"(%179) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<1x1xf32>
    %181 = "stablehlo.minimum"(%178, %180) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    stablehlo.return %a86, %172, %170, %181 : tensor<3x3xf32>, tensor<i32>, tensor<3x3xf32>, tensor<1x1xf32>
  }) : (tensor<3x3xf32>, tensor<i32>, tensor<3x3xf32>, tensor<1x1xf32>) -> (tensor<3x3xf32>, tensor<i32>, tensor<3x3xf32>, tensor<1x1xf32>)
  %183 = "stablehlo.transpose"(%182#2) {permutation = array<i64: 1, 0>} : (tensor<3x3xf32>) -> tensor<3x3xf32>
  %184 = "stablehlo.dot_general"(%183, %51) {dot_dimension_numbers = #stablehlo.dot<lhs_batching_dimensions = [], rhs_batching_dimensions = [], lhs_contracting_dimensions = [1], rhs_contracting_dimensions = [0]>, precision_config = [#stablehlo<precision HIGHEST>, #stablehlo<precision HIGHEST>]} : (tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
  %185 = "stablehlo.transpose"(%184) {permutation = array<i64: 1, 0>} : (tensor<3x3xf32>) -> tensor<3x3xf32>
  %186 = "stablehlo.add"(%184, %185) : (tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
  %187 = "stablehlo.constant"() {value = dense<2.0> : tensor<3x3xf32>} : () -> tensor<3x3xf32>
  %188 = "stablehlo.divide"(%186, %187) : (tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
  %189:2 = "stablehlo.custom_call"(%188) {call_target_name = "Eigh", backend_config = "1,1,100,1e-12", api_version = 1 : i32} : (tensor<3x3xf32>) -> (tensor<3x3xf32>, tensor<3xf32>)
  %190 = "stablehlo.is_finite"(%188) : (tensor<3x3xf32>) -> tensor<3x3xi1>
  %194 = "stablehlo.reduce"(%190, %1) ({
  ^bb0(%a191: tensor<i1>, %a192: tensor<i1>):
    %193 = "stablehlo.and"(%a191, %a192) : (tensor<i1>, tensor<i1>) -> tensor<i1>
    stablehlo.return %193 : tensor<i1>
  }) {dimensions = array<i64: 1, 0>} : (tensor<3x3xi1>, tensor<i1>) -> tensor<i1>
  %195 = "stablehlo.reshape"(%194) : (tensor<i1>) -> tensor<1xi1>
  %196 = "stablehlo.reshape"(%195) : (tensor<1xi1>) -> tensor<1x1xi1>
  %197 = "stablehlo.broadcast_in_dim"(%22) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<3x3xf32>
  %198 = "stablehlo.broadcast_in_dim"(%196) {broadcast_dimensions = array<i64: 0, 1>} : (tensor<1x1xi1>) -> tensor<3x3xi1>
  %199 = "stablehlo.select"(%198, %189#0, %197) : (tensor<3x3xi1>, tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
  %200 = "stablehlo.broadcast_in_dim"(%22) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<3xf32>
  %201 = "stablehlo.broadcast_in_dim"(%195) {broadcast_dimensions = array<i64: 0>} : (tensor<1xi1>) -> tensor<3xi1>
  %202 = "stablehlo.select"(%201, %189#1, %200) : (tensor<3xi1>, tensor<3xf32>, tensor<3xf32>) -> tensor<3xf32>
  %203 = "stablehlo.abs"(%202) : (tensor<3xf32>) -> tensor<3xf32>
  %204 = "stablehlo.negate"(%203) : (tensor<3xf32>) -> tensor<3xf32>
  %205 = "stablehlo.iota"() {iota_dimension = 0 : i64} : () -> tensor<3xi32>
  %221:2 = "stablehlo.sort"(%204, %205) ({
  ^bb0(%a206: tensor<f32>, %a207: tensor<f32>, %a208: tensor<i32>, %a209: tensor<i32>):
    %210 = "stablehlo.constant"() {value = dense<0.0> : tensor<f32>} : () -> tensor<f32>
    %211 = "stablehlo.compare"(%a206, %210) {comparison_direction = #stablehlo<comparison_direction EQ>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<f32>, tensor<f32>) -> tensor<i1>
    %212 = "stablehlo.select"(%211, %210, %a206) : (tensor<i1>, tensor<f32>, tensor<f32>) -> tensor<f32>
    %213 = "stablehlo.compare"(%a206, %a206) {comparison_direction = #stablehlo<comparison_direction NE>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<f32>, tensor<f32>) -> tensor<i1>
    %214 = "stablehlo.constant"() {value = dense<0x7FC00000> : tensor<f32>} : () -> tensor<f32>
    %215 = "stablehlo.select"(%213, %214, %212) : (tensor<i1>, tensor<f32>, tensor<f32>) -> tensor<f32>
    %216 = "stablehlo.compare"(%a207, %210) {comparison_direction = #stablehlo<comparison_direction EQ>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<f32>, tensor<f32>) -> tensor<i1>
    %217 = "stablehlo.select"(%216, %210, %a207) : (tensor<i1>, tensor<f32>, tensor<f32>) -> tensor<f32>
    %218 = "stablehlo.compare"(%a207, %a207) {comparison_direction = #stablehlo<comparison_direction NE>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<f32>, tensor<f32>) -> tensor<i1>
    %219 = "stablehlo.select"(%218, %214, %217) : (tensor<i1>, tensor<f32>, tensor<f32>) -> tensor<f32>
    %220 = "stablehlo.compare"(%215, %219) {comparison_direction = #stablehlo<comparison_direction LT>, compare_type = #stablehlo<comparison_type TOTALORDER>} : (tensor<f32>, tensor<f32>) -> tensor<i1>
    stablehlo.return %220 : tensor<i1>
  }) {dimension = 0 : i64, is_stable = true} : (tensor<3xf32>, tensor<3xi32>) -> (tensor<3xf32>, tensor<3xi32>)
  %222 = "stablehlo.broadcast_in_dim"(%70) {broadcast_dimensions = array<i64>} : (tensor<i32>) -> tensor<3xi32>
  %223 = "stablehlo.compare"(%221#1, %222) {comparison_direction = #stablehlo<comparison_direction LT>, compare_type = #stablehlo<comparison_type SIGNED>} : (tensor<3xi32>, tensor<3xi32>) -> tensor<3xi1>
  %224 = "stablehlo.constant"() {value = dense<3> : tensor<3xi32>} : () -> tensor<3xi32>
  %225 = "stablehlo.add"(%221#1, %224) : (tensor<3xi32>, tensor<3xi32>) -> tensor<3xi32>
  %226 = "stablehlo.select"(%223, %225, %221#1) : (tensor<3xi1>, tensor<3xi32>, tensor<3xi32>) -> tensor<3xi32>
  %227 = "stablehlo.reshape"(%226) : (tensor<3xi32>) -> tensor<3x1xi32>
  %228 = "stablehlo.gather"(%202, %227) {dimension_numbers = #stablehlo.gather<offset_dims = [], collapsed_slice_dims = [0], operand_batching_dims = [], start_indices_batching_dims = [], start_index_map = [0], index_vector_dim = 1>, slice_sizes = array<i64: 1>, indices_are_sorted = false} : (tensor<3xf32>, tensor<3x1xi32>) -> tensor<3xf32>
  %229 = "stablehlo.constant"() {value = dense<0> : tensor<3x1xi32>} : () -> tensor<3x1xi32>
  %230 = "stablehlo.constant"() {value = dense<2> : tensor<1xi32>} : () -> tensor<1xi32>
  %231 = "stablehlo.broadcast_in_dim"(%230) {broadcast_dimensions = array<i64: 1>} : (tensor<1xi32>) -> tensor<3x1xi32>
  %232 = "stablehlo.compare"(%227, %229) {comparison_direction = #stablehlo<comparison_direction GE>, compare_type = #stablehlo<comparison_type SIGNED>} : (tensor<3x1xi32>, tensor<3x1xi32>) -> tensor<3x1xi1>
  %233 = "stablehlo.compare"(%227, %231) {comparison_direction = #stablehlo<comparison_direction LE>, compare_type = #stablehlo<comparison_type SIGNED>} : (tensor<3x1xi32>, tensor<3x1xi32>) -> tensor<3x1xi1>
  %234 = "stablehlo.and"(%232, %233) : (tensor<3x1xi1>, tensor<3x1xi1>) -> tensor<3x1xi1>
  %238 = "stablehlo.reduce"(%234, %1) ({
  ^bb0(%a235: tensor<i1>, %a236: tensor<i1>):
    %237 = "stablehlo.and"(%a235, %a236) : (tensor<i1>, tensor<i1>) -> tensor<i1>
    stablehlo.return %237 : tensor<i1>
  }) {dimensions = array<i64: 1>} : (tensor<3x1xi1>, tensor<i1>) -> tensor<3xi1>
  %239 = "stablehlo.broadcast_in_dim"(%238) {broadcast_dimensions = array<i64: 0>} : (tensor<3xi1>) -> tensor<3xi1>
  %240 = "stablehlo.constant"() {value = dense<0x7FC00000> : tensor<3xf32>} : () -> tensor<3xf32>
  %241 = "stablehlo.select"(%239, %228, %240) : (tensor<3xi1>, tensor<3xf32>, tensor<3xf32>) -> tensor<3xf32>
  %242 = "stablehlo.reshape"(%221#1) : (tensor<3xi32>) -> tensor<1x3xi32>
  %243 = "stablehlo.broadcast_in_dim"(%242) {broadcast_dimensions = array<i64: 0, 1>} : (tensor<1x3xi32>) -> tensor<3x3xi32>
  %244 = "stablehlo.broadcast_in_dim"(%70) {broadcast_dimensions = array<i64>} : (tensor<i32>) -> tensor<3x3xi32>
  %245 = "stablehlo.compare"(%243, %244) {comparison_direction = #stablehlo<comparison_direction LT>, compare_type = #stablehlo<comparison_type SIGNED>} : (tensor<3x3xi32>, tensor<3x3xi32>) -> tensor<3x3xi1>
  %246 = "stablehlo.constant"() {value = dense<3> : tensor<3x3xi32>} : () -> tensor<3x3xi32>
  %247 = "stablehlo.add"(%243, %246) : (tensor<3x3xi32>, tensor<3x3xi32>) -> tensor<3x3xi32>
  %248 = "stablehlo.select"(%245, %247, %243) : (tensor<3x3xi1>, tensor<3x3xi32>, tensor<3x3xi32>) -> tensor<3x3xi32>
  %249 = "stablehlo.reshape"(%248) : (tensor<3x3xi32>) -> tensor<3x3x1xi32>
  %250 = "stablehlo.gather"(%199, %249) {dimension_numbers = #stablehlo.gather<offset_dims = [], collapsed_slice_dims = [1], operand_batching_dims = [0], start_indices_batching_dims = [0], start_index_map = [1], index_vector_dim = 2>, slice_sizes = array<i64: 1, 1>, indices_are_sorted = false} : (tensor<3x3xf32>, tensor<3x3x1xi32>) -> tensor<3x3xf32>
  %251 = "stablehlo.constant"() {value = dense<0> : tensor<3x3x1xi32>} : () -> tensor<3x3x1xi32>
  %252 = "stablehlo.broadcast_in_dim"(%230) {broadcast_dimensions = array<i64: 2>} : (tensor<1xi32>) -> tensor<3x3x1xi32>
  %253 = "stablehlo.compare"(%249, %251) {comparison_direction = #stablehlo<comparison_direction GE>, compare_type = #stablehlo<comparison_type SIGNED>} : (tensor<3x3x1xi32>, tensor<3x3x1xi32>) -> tensor<3x3x1xi1>
  %254 = "stablehlo.compare"(%249, %252) {comparison_direction = #stablehlo<comparison_direction LE>, compare_type = #stablehlo<comparison_type SIGNED>} : (tensor<3x3x1xi32>, tensor<3x3x1xi32>) -> tensor<3x3x1xi1>
  %255 = "stablehlo.and"(%253, %254) : (tensor<3x3x1xi1>, tensor<3x3x1xi1>) -> tensor<3x3x1xi1>
  %259 = "stablehlo.reduce"(%255, %1) ({
  ^bb0(%a256: tensor<i1>, %a257: tensor<i1>):
    %258 = "stablehlo.and"(%a256, %a257) : (tensor<i1>, tensor<i1>) -> tensor<i1>
    stablehlo.return %258 : tensor<i1>
  }) {dimensions = array<i64: 2>} : (tensor<3x3x1xi1>, tensor<i1>) -> tensor<3x3xi1>
  %260 = "stablehlo.broadcast_in_dim"(%259) {broadcast_dimensions = array<i64: 0, 1>} : (tensor<3x3xi1>) -> tensor<3x3xi1>
  %261 = "stablehlo.constant"() {value = dense<0x7FC00000> : tensor<3x3xf32>} : () -> tensor<3x3xf32>
  %262 = "stablehlo.select"(%260, %250, %261) : (tensor<3x3xi1>, tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
  %263 = "stablehlo.broadcast_in_dim"(%8) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<3xf32>
  %264 = "stablehlo.compare"(%241, %263) {comparison_direction = #stablehlo<comparison_direction LT>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<3xf32>, tensor<3xf32>) -> tensor<3xi1>
  %265 = "stablehlo.constant"() {value = dense<-1.0> : tensor<3xf32>} : () -> tensor<3xf32>
  %266 = "stablehlo.constant"() {value = dense<1.0> : tensor<3xf32>} : () -> tensor<3xf32>
  %267 = "stablehlo.select"(%264, %265, %266) : (tensor<3xi1>, tensor<3xf32>, tensor<3xf32>) -> tensor<3xf32>
  %268 = "stablehlo.dot_general"(%182#2, %262) {dot_dimension_numbers = #stablehlo.dot<lhs_batching_dimensions = [], rhs_batching_dimensions = [], lhs_contracting_dimensions = [1], rhs_contracting_dimensions = [0]>, precision_config = [#stablehlo<precision HIGHEST>, #stablehlo<precision HIGHEST>]} : (tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
  %269 = "stablehlo.reshape"(%267) : (tensor<3xf32>) -> tensor<1x3xf32>
  %270 = "stablehlo.broadcast_in_dim"(%269) {broadcast_dimensions = array<i64: 0, 1>} : (tensor<1x3xf32>) -> tensor<3x3xf32>
  %271 = "stablehlo.multiply"(%268, %270) : (tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
  %272:2 = "stablehlo.custom_call"(%271) {call_target_name = "Qr", backend_config = "", api_version = 1 : i32} : (tensor<3x3xf32>) -> (tensor<3x3xf32>, tensor<3xf32>)
  %273 = "stablehlo.custom_call"(%272#0, %272#1) {call_target_name = "ProductOfElementaryHouseholderReflectors", backend_config = "", api_version = 1 : i32} : (tensor<3x3xf32>, tensor<3xf32>) -> tensor<3x3xf32>
  %274 = "stablehlo.is_finite"(%271) : (tensor<3x3xf32>) -> tensor<3x3xi1>
  %278 = "stablehlo.reduce"(%274, %1) ({
  ^bb0(%a275: tensor<i1>, %a276: tensor<i1>):
    %277 = "stablehlo.and"(%a275, %a276) : (tensor<i1>, tensor<i1>) -> tensor<i1>
    stablehlo.return %277 : tensor<i1>
  }) {dimensions = array<i64: 1, 0>} : (tensor<3x3xi1>, tensor<i1>) -> tensor<i1>
  %279 = "stablehlo.reshape"(%278) : (tensor<i1>) -> tensor<1xi1>
  %280 = "stablehlo.reshape"(%279) : (tensor<1xi1>) -> tensor<1x1xi1>
  %281 = "stablehlo.broadcast_in_dim"(%22) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<3x3xf32>
  %282 = "stablehlo.broadcast_in_dim"(%280) {broadcast_dimensions = array<i64: 0, 1>} : (tensor<1x1xi1>) -> tensor<3x3xi1>
  %283 = "stablehlo.select"(%282, %273, %281) : (tensor<3x3xi1>, tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
  %284 = "stablehlo.transpose"(%272#0) {permutation = array<i64: 1, 0>} : (tensor<3x3xf32>) -> tensor<3x3xf32>
  %285 = "stablehlo.iota"() {iota_dimension = 0 : i64} : () -> tensor<3x3xi32>
  %286 = "stablehlo.add"(%285, %28) : (tensor<3x3xi32>, tensor<3x3xi32>) -> tensor<3x3xi32>
  %287 = "stablehlo.iota"() {iota_dimension = 1 : i64} : () -> tensor<3x3xi32>
  %288 = "stablehlo.compare"(%286, %287) {comparison_direction = #stablehlo<comparison_direction GE>, compare_type = #stablehlo<comparison_type SIGNED>} : (tensor<3x3xi32>, tensor<3x3xi32>) -> tensor<3x3xi1>
  %289 = "stablehlo.select"(%288, %284, %32) : (tensor<3x3xi1>, tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
  %290 = "stablehlo.transpose"(%289) {permutation = array<i64: 1, 0>} : (tensor<3x3xf32>) -> tensor<3x3xf32>
  %291 = "stablehlo.broadcast_in_dim"(%22) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<3x3xf32>
  %292 = "stablehlo.broadcast_in_dim"(%280) {broadcast_dimensions = array<i64: 0, 1>} : (tensor<1x1xi1>) -> tensor<3x3xi1>
  %293 = "stablehlo.select"(%292, %290, %291) : (tensor<3x3xi1>, tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
  %294 = "stablehlo.iota"() {iota_dimension = 0 : i64} : () -> tensor<3x3xi32>
  %295 = "stablehlo.iota"() {iota_dimension = 1 : i64} : () -> tensor<3x3xi32>
  %296 = "stablehlo.compare"(%294, %295) {comparison_direction = #stablehlo<comparison_direction EQ>, compare_type = #stablehlo<comparison_type SIGNED>} : (tensor<3x3xi32>, tensor<3x3xi32>) -> tensor<3x3xi1>
  %297 = "stablehlo.select"(%296, %293, %32) : (tensor<3x3xi1>, tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
  %301 = "stablehlo.reduce"(%297, %8) ({
  ^bb0(%a298: tensor<f32>, %a299: tensor<f32>):
    %300 = "stablehlo.add"(%a298, %a299) : (tensor<f32>, tensor<f32>) -> tensor<f32>
    stablehlo.return %300 : tensor<f32>
  }) {dimensions = array<i64: 1>} : (tensor<3x3xf32>, tensor<f32>) -> tensor<3xf32>
  %302 = "stablehlo.broadcast_in_dim"(%8) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<3xf32>
  %303 = "stablehlo.compare"(%301, %302) {comparison_direction = #stablehlo<comparison_direction LT>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<3xf32>, tensor<3xf32>) -> tensor<3xi1>
  %304 = "stablehlo.select"(%303, %265, %266) : (tensor<3xi1>, tensor<3xf32>, tensor<3xf32>) -> tensor<3xf32>
  %305 = "stablehlo.reshape"(%304) : (tensor<3xf32>) -> tensor<1x3xf32>
  %306 = "stablehlo.broadcast_in_dim"(%305) {broadcast_dimensions = array<i64: 0, 1>} : (tensor<1x3xf32>) -> tensor<3x3xf32>
  %307 = "stablehlo.multiply"(%283, %306) : (tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
  %308 = "stablehlo.dot_general"(%25, %307) {dot_dimension_numbers = #stablehlo.dot<lhs_batching_dimensions = [], rhs_batching_dimensions = [], lhs_contracting_dimensions = [1], rhs_contracting_dimensions = [0]>, precision_config = [#stablehlo<precision HIGHEST>, #stablehlo<precision HIGHEST>]} : (tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
  %309 = "stablehlo.abs"(%241) : (tensor<3xf32>) -> tensor<3xf32>
  %310 = "stablehlo.reshape"(%48) : (tensor<1x1xf32>) -> tensor<1xf32>
  %311 = "stablehlo.broadcast_in_dim"(%310) {broadcast_dimensions = array<i64: 0>} : (tensor<1xf32>) -> tensor<3xf32>
  %312 = "stablehlo.multiply"(%309, %311) : (tensor<3xf32>, tensor<3xf32>) -> tensor<3xf32>
  %313 = "stablehlo.transpose"(%262) {permutation = array<i64: 1, 0>} : (tensor<3x3xf32>) -> tensor<3x3xf32>
  %314 = "stablehlo.reshape"(%6) : (tensor<1xi1>) -> tensor<1x1xi1>
  %315 = "stablehlo.broadcast_in_dim"(%22) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<3x3xf32>
  %316 = "stablehlo.broadcast_in_dim"(%314) {broadcast_dimensions = array<i64: 0, 1>} : (tensor<1x1xi1>) -> tensor<3x3xi1>
  %317 = "stablehlo.select"(%316, %308, %315) : (tensor<3x3xi1>, tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
  %318 = "stablehlo.reshape"(%6) : (tensor<1xi1>) -> tensor<1x1xi1>
  %319 = "stablehlo.broadcast_in_dim"(%22) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<3x3xf32>
  %320 = "stablehlo.broadcast_in_dim"(%318) {broadcast_dimensions = array<i64: 0, 1>} : (tensor<1x1xi1>) -> tensor<3x3xi1>
  %321 = "stablehlo.select"(%320, %313, %319) : (tensor<3x3xi1>, tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
  %322 = "stablehlo.broadcast_in_dim"(%6) {broadcast_dimensions = array<i64: 0>} : (tensor<1xi1>) -> tensor<3xi1>
  %323 = "stablehlo.select"(%322, %312, %240) : (tensor<3xi1>, tensor<3xf32>, tensor<3xf32>) -> tensor<3xf32>
  %324 = "stablehlo.sine"(%323) : (tensor<3xf32>) -> tensor<3xf32>
  %325 = "stablehlo.reshape"(%324) : (tensor<3xf32>) -> tensor<1x3xf32>
  %326 = "stablehlo.broadcast_in_dim"(%325) {broadcast_dimensions = array<i64: 0, 1>} : (tensor<1x3xf32>) -> tensor<3x3xf32>
  %327 = "stablehlo.multiply"(%317, %326) : (tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
  %328 = "stablehlo.dot_general"(%327, %321) {dot_dimension_numbers = #stablehlo.dot<lhs_batching_dimensions = [], rhs_batching_dimensions = [], lhs_contracting_dimensions = [1], rhs_contracting_dimensions = [0]>, precision_config = [#stablehlo<precision HIGHEST>, #stablehlo<precision HIGHEST>]} : (tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
  return %328, %323 : tensor<3x3xf32>, tensor<3xf32>
}
}
