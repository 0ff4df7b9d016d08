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
  %22 = "stablehlo.constant"() {value = dense<0x7FC00000> : tensor<3x3xf32>} : () -> tensor<3x3xf32>
  %23 = "stablehlo.broadcast_in_dim"(%21) {broadcast_dimensions = array<i64: 0, 1>} : (tensor<1x1xi1>) -> tensor<3x3xi1>
  %24 = "stablehlo.select"(%23, %14, %22) : (tensor<3x3xi1>, tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
  %25 = "stablehlo.transpose"(%12#0) {permutation = array<i64: 1, 0>} : (tensor<3x3xf32>) -> tensor<3x3xf32>
  %26 = "stablehlo.iota"() {iota_dimension = 0 : i64} : () -> tensor<3x3xi32>
  %27 = "stablehlo.constant"() {value = dense<0> : tensor<3x3xi32>} : () -> tensor<3x3xi32>
  %28 = "stablehlo.add"(%26, %27) : (tensor<3x3xi32>, tensor<3x3xi32>) -> tensor<3x3xi32>
  %29 = "stablehlo.iota"() {iota_dimension = 1 : i64} : () -> tensor<3x3xi32>
  %30 = "stablehlo.compare"(%28, %29) {comparison_direction = #stablehlo<comparison_direction GE>, compare_type = #stablehlo<comparison_type SIGNED>} : (tensor<3x3xi32>, tensor<3x3xi32>) -> tensor<3x3xi1>
  %31 = "stablehlo.constant"() {value = dense<0.0> : tensor<3x3xf32>} : () -> tensor<3x3xf32>
  %32 = "stablehlo.select"(%30, %25, %31) : (tensor<3x3xi1>, tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
  %33 = "stablehlo.transpose"(%32) {permutation = array<i64: 1, 0>} : (tensor<3x3xf32>) -> tensor<3x3xf32>
  %34 = "stablehlo.broadcast_in_dim"(%21) {broadcast_dimensions = array<i64: 0, 1>} : (tensor<1x1xi1>) -> tensor<3x3xi1>
  %35 = "stablehlo.select"(%34, %33, %22) : (tensor<3x3xi1>, tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
  %36 = "stablehlo.abs"(%35) : (tensor<3x3xf32>) -> tensor<3x3xf32>
  %37 = "stablehlo.constant"() {value = dense<0xFF800000> : tensor<f32>} : () -> tensor<f32>
  %41 = "stablehlo.reduce"(%36, %37) ({
  ^bb0(%a38: tensor<f32>, %a39: tensor<f32>):
    %40 = "stablehlo.maximum"(%a38, %a39) : (tensor<f32>, tensor<f32>) -> tensor<f32>
    stablehlo.return %40 : tensor<f32>
  }) {dimensions = array<i64: 1, 0>} : (tensor<3x3xf32>, tensor<f32>) -> tensor<f32>
  %42 = "stablehlo.reshape"(%41) : (tensor<f32>) -> tensor<1x1xf32>
  %43 = "stablehlo.broadcast_in_dim"(%8) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<1x1xf32>
  %44 = "stablehlo.compare"(%42, %43) {comparison_direction = #stablehlo<comparison_direction EQ>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xi1>
  %45 = "stablehlo.constant"() {value = dense<1.0> : tensor<1x1xf32>} : () -> tensor<1x1xf32>
  %46 = "stablehlo.select"(%44, %45, %42) : (tensor<1x1xi1>, tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
  %47 = "stablehlo.divide"(%45, %46) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
  %48 = "stablehlo.broadcast_in_dim"(%47) {broadcast_dimensions = array<i64: 0, 1>} : (tensor<1x1xf32>) -> tensor<3x3xf32>
  %49 = "stablehlo.multiply"(%35, %48) : (tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
  %50 = "stablehlo.multiply"(%49, %49) : (tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
  %54 = "stablehlo.reduce"(%50, %8) ({
  ^bb0(%a51: tensor<f32>, %a52: tensor<f32>):
    %53 = "stablehlo.add"(%a51, %a52) : (tensor<f32>, tensor<f32>) -> tensor<f32>
    stablehlo.return %53 : tensor<f32>
  }) {dimensions = array<i64: 1, 0>} : (tensor<3x3xf32>, tensor<f32>) -> tensor<f32>
  %55 = "stablehlo.reshape"(%54) : (tensor<f32>) -> tensor<1x1xf32>
  %56 = "stablehlo.sqrt"(%55) : (tensor<1x1xf32>) -> tensor<1x1xf32>
  %57 = "stablehlo.broadcast_in_dim"(%8) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<1x1xf32>
  %58 = "stablehlo.compare"(%56, %57) {comparison_direction = #stablehlo<comparison_direction EQ>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xi1>
  %59 = "stablehlo.select"(%58, %45, %56) : (tensor<1x1xi1>, tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
  %60 = "stablehlo.divide"(%45, %59) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
  %61 = "stablehlo.broadcast_in_dim"(%60) {broadcast_dimensions = array<i64: 0, 1>} : (tensor<1x1xf32>) -> tensor<3x3xf32>
  %62 = "stablehlo.multiply"(%49, %61) : (tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
  %63 = "stablehlo.iota"() {iota_dimension = 0 : i64} : () -> tensor<3x3xi32>
  %64 = "stablehlo.iota"() {iota_dimension = 1 : i64} : () -> tensor<3x3xi32>
  %65 = "stablehlo.compare"(%63, %64) {comparison_direction = #stablehlo<comparison_direction EQ>, compare_type = #stablehlo<comparison_type SIGNED>} : (tensor<3x3xi32>, tensor<3x3xi32>) -> tensor<3x3xi1>
  %66 = "stablehlo.convert"(%65) : (tensor<3x3xi1>) -> tensor<3x3xf32>
  %67 = "stablehlo.constant"() {value = dense<1.1920929e-7> : tensor<1x1xf32>} : () -> tensor<1x1xf32>
  %68 = "stablehlo.constant"() {value = dense<0> : tensor<i32>} : () -> tensor<i32>
  %179:4 = "stablehlo.while"(%66, %68, %62, %67) ({
  ^bb0(%a69: tensor<3x3xf32>, %a70: tensor<i32>, %a71: tensor<3x3xf32>, %a72: tensor<1x1xf32>):
    %73 = "stablehlo.constant"() {value = dense<20> : tensor<i32>} : () -> tensor<i32>
    %74 = "stablehlo.compare"(%a70, %73) {comparison_direction = #stablehlo<comparison_direction LT>, compare_type = #stablehlo<comparison_type SIGNED>} : (tensor<i32>, tensor<i32>) -> tensor<i1>
    %75 = "stablehlo.constant"() {value = dense<0.9999995> : tensor<f32>} : () -> tensor<f32>
    %76 = "stablehlo.broadcast_in_dim"(%75) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<1x1xf32>
    %77 = "stablehlo.compare"(%a72, %76) {comparison_direction = #stablehlo<comparison_direction LT>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xi1>
    %78 = "stablehlo.constant"() {value = dense<false> : tensor<i1>} : () -> tensor<i1>
    %82 = "stablehlo.reduce"(%77, %78) ({
    ^bb0(%a79: tensor<i1>, %a80: tensor<i1>):
      %81 = "stablehlo.or"(%a79, %a80) : (tensor<i1>, tensor<i1>) -> tensor<i1>
      stablehlo.return %81 : tensor<i1>
    }) {dimensions = array<i64: 0, 1>} : (tensor<1x1xi1>, tensor<i1>) -> tensor<i1>
    %83 = "stablehlo.and"(%74, %82) : (tensor<i1>, tensor<i1>) -> tensor<i1>
    stablehlo.return %83 : tensor<i1>
  }, {
  ^bb0(%a84: tensor<3x3xf32>, %a85: tensor<i32>, %a86: tensor<3x3xf32>, %a87: tensor<1x1xf32>):
    %88 = "stablehlo.multiply"(%a87, %a87) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %89 = "stablehlo.constant"() {value = dense<1.0> : tensor<1x1xf32>} : () -> tensor<1x1xf32>
    %90 = "stablehlo.subtract"(%89, %88) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %91 = "stablehlo.constant"() {value = dense<4.0> : tensor<1x1xf32>} : () -> tensor<1x1xf32>
    %92 = "stablehlo.multiply"(%90, %91) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %93 = "stablehlo.constant"() {value = dense<0.0> : tensor<f32>} : () -> tensor<f32>
    %94 = "stablehlo.broadcast_in_dim"(%93) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<1x1xf32>
    %95 = "stablehlo.maximum"(%92, %94) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %96 = "stablehlo.multiply"(%88, %88) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %97 = "stablehlo.divide"(%95, %96) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %98 = "stablehlo.cbrt"(%97) : (tensor<1x1xf32>) -> tensor<1x1xf32>
    %99 = "stablehlo.add"(%98, %89) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %100 = "stablehlo.sqrt"(%99) : (tensor<1x1xf32>) -> tensor<1x1xf32>
    %101 = "stablehlo.constant"() {value = dense<2.0> : tensor<1x1xf32>} : () -> tensor<1x1xf32>
    %102 = "stablehlo.subtract"(%101, %88) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %103 = "stablehlo.constant"() {value = dense<8.0> : tensor<1x1xf32>} : () -> tensor<1x1xf32>
    %104 = "stablehlo.multiply"(%102, %103) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %105 = "stablehlo.multiply"(%88, %100) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %106 = "stablehlo.divide"(%104, %105) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %107 = "stablehlo.multiply"(%98, %91) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %108 = "stablehlo.subtract"(%106, %107) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %109 = "stablehlo.add"(%108, %103) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %110 = "stablehlo.broadcast_in_dim"(%93) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<1x1xf32>
    %111 = "stablehlo.maximum"(%109, %110) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %112 = "stablehlo.sqrt"(%111) : (tensor<1x1xf32>) -> tensor<1x1xf32>
    %113 = "stablehlo.constant"() {value = dense<0.5> : tensor<1x1xf32>} : () -> tensor<1x1xf32>
    %114 = "stablehlo.multiply"(%112, %113) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %115 = "stablehlo.add"(%100, %114) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %116 = "stablehlo.subtract"(%115, %89) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %117 = "stablehlo.subtract"(%115, %89) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %118 = "stablehlo.multiply"(%116, %117) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %119 = "stablehlo.constant"() {value = dense<0.25> : tensor<1x1xf32>} : () -> tensor<1x1xf32>
    %120 = "stablehlo.multiply"(%118, %119) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %121 = "stablehlo.add"(%115, %120) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %122 = "stablehlo.subtract"(%121, %89) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %123 = "stablehlo.sqrt"(%122) : (tensor<1x1xf32>) -> tensor<1x1xf32>
    %124 = "stablehlo.broadcast_in_dim"(%123) {broadcast_dimensions = array<i64: 0, 1>} : (tensor<1x1xf32>) -> tensor<3x3xf32>
    %125 = "stablehlo.multiply"(%a86, %124) : (tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
    %126 = "stablehlo.concatenate"(%125, %a84) {dimension = 0 : i64} : (tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<6x3xf32>
    %127:2 = "stablehlo.custom_call"(%126) {call_target_name = "Qr", backend_config = "", api_version = 1 : i32} : (tensor<6x3xf32>) -> (tensor<6x3xf32>, tensor<3xf32>)
    %128 = "stablehlo.constant"() {value = dense<> : tensor<6x0xf32>} : () -> tensor<6x0xf32>
    %129 = "stablehlo.custom_call"(%127#0, %127#1) {call_target_name = "ProductOfElementaryHouseholderReflectors", backend_config = "", api_version = 1 : i32} : (tensor<6x3xf32>, tensor<3xf32>) -> tensor<6x3xf32>
    %130 = "stablehlo.is_finite"(%126) : (tensor<6x3xf32>) -> tensor<6x3xi1>
    %131 = "stablehlo.constant"() {value = dense<true> : tensor<i1>} : () -> tensor<i1>
    %135 = "stablehlo.reduce"(%130, %131) ({
    ^bb0(%a132: tensor<i1>, %a133: tensor<i1>):
      %134 = "stablehlo.and"(%a132, %a133) : (tensor<i1>, tensor<i1>) -> tensor<i1>
      stablehlo.return %134 : tensor<i1>
    }) {dimensions = array<i64: 1, 0>} : (tensor<6x3xi1>, tensor<i1>) -> tensor<i1>
    %136 = "stablehlo.reshape"(%135) : (tensor<i1>) -> tensor<1xi1>
    %137 = "stablehlo.reshape"(%136) : (tensor<1xi1>) -> tensor<1x1xi1>
    %138 = "stablehlo.constant"() {value = dense<0x7FC00000> : tensor<6x3xf32>} : () -> tensor<6x3xf32>
    %139 = "stablehlo.broadcast_in_dim"(%137) {broadcast_dimensions = array<i64: 0, 1>} : (tensor<1x1xi1>) -> tensor<6x3xi1>
    %140 = "stablehlo.select"(%139, %129, %138) : (tensor<6x3xi1>, tensor<6x3xf32>, tensor<6x3xf32>) -> tensor<6x3xf32>
    %141 = "stablehlo.slice"(%127#0) {start_indices = array<i64: 0, 0>, limit_indices = array<i64: 3, 3>, strides = array<i64: 1, 1>} : (tensor<6x3xf32>) -> tensor<3x3xf32>
    %142 = "stablehlo.transpose"(%141) {permutation = array<i64: 1, 0>} : (tensor<3x3xf32>) -> tensor<3x3xf32>
    %143 = "stablehlo.iota"() {iota_dimension = 0 : i64} : () -> tensor<3x3xi32>
    %144 = "stablehlo.constant"() {value = dense<0> : tensor<3x3xi32>} : () -> tensor<3x3xi32>
    %145 = "stablehlo.add"(%143, %144) : (tensor<3x3xi32>, tensor<3x3xi32>) -> tensor<3x3xi32>
    %146 = "stablehlo.iota"() {iota_dimension = 1 : i64} : () -> tensor<3x3xi32>
    %147 = "stablehlo.compare"(%145, %146) {comparison_direction = #stablehlo<comparison_direction GE>, compare_type = #stablehlo<comparison_type SIGNED>} : (tensor<3x3xi32>, tensor<3x3xi32>) -> tensor<3x3xi1>
    %148 = "stablehlo.constant"() {value = dense<0.0> : tensor<3x3xf32>} : () -> tensor<3x3xf32>
    %149 = "stablehlo.select"(%147, %142, %148) : (tensor<3x3xi1>, tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
    %150 = "stablehlo.transpose"(%149) {permutation = array<i64: 1, 0>} : (tensor<3x3xf32>) -> tensor<3x3xf32>
    %151 = "stablehlo.constant"() {value = dense<0x7FC00000> : tensor<3x3xf32>} : () -> tensor<3x3xf32>
    %152 = "stablehlo.broadcast_in_dim"(%137) {broadcast_dimensions = array<i64: 0, 1>} : (tensor<1x1xi1>) -> tensor<3x3xi1>
    %153 = "stablehlo.select"(%152, %150, %151) : (tensor<3x3xi1>, tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
    %154 = "stablehlo.slice"(%140) {start_indices = array<i64: 0, 0>, limit_indices = array<i64: 3, 3>, strides = array<i64: 1, 1>} : (tensor<6x3xf32>) -> tensor<3x3xf32>
    %155 = "stablehlo.slice"(%140) {start_indices = array<i64: 3, 0>, limit_indices = array<i64: 6, 3>, strides = array<i64: 1, 1>} : (tensor<6x3xf32>) -> tensor<3x3xf32>
    %156 = "stablehlo.transpose"(%155) {permutation = array<i64: 1, 0>} : (tensor<3x3xf32>) -> tensor<3x3xf32>
    %157 = "stablehlo.dot_general"(%154, %156) {dot_dimension_numbers = #stablehlo.dot<lhs_batching_dimensions = [], rhs_batching_dimensions = [], lhs_contracting_dimensions = [1], rhs_contracting_dimensions = [0]>, precision_config = [#stablehlo<precision HIGHEST>, #stablehlo<precision HIGHEST>]} : (tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
    %158 = "stablehlo.divide"(%120, %122) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %159 = "stablehlo.broadcast_in_dim"(%158) {broadcast_dimensions = array<i64: 0, 1>} : (tensor<1x1xf32>) -> tensor<3x3xf32>
    %160 = "stablehlo.multiply"(%a86, %159) : (tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
    %161 = "stablehlo.divide"(%120, %122) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %162 = "stablehlo.subtract"(%115, %161) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %163 = "stablehlo.sqrt"(%122) : (tensor<1x1xf32>) -> tensor<1x1xf32>
    %164 = "stablehlo.divide"(%162, %163) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %165 = "stablehlo.broadcast_in_dim"(%164) {broadcast_dimensions = array<i64: 0, 1>} : (tensor<1x1xf32>) -> tensor<3x3xf32>
    %166 = "stablehlo.multiply"(%157, %165) : (tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
    %167 = "stablehlo.add"(%160, %166) : (tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
    %168 = "stablehlo.constant"() {value = dense<1> : tensor<i32>} : () -> tensor<i32>
    %169 = "stablehlo.add"(%a85, %168) : (tensor<i32>, tensor<i32>) -> tensor<i32>
    %170 = "stablehlo.multiply"(%120, %88) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %171 = "stablehlo.add"(%115, %170) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %172 = "stablehlo.multiply"(%a87, %171) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %173 = "stablehlo.multiply"(%122, %88) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %174 = "stablehlo.add"(%173, %89) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %175 = "stablehlo.divide"(%172, %174) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %176 = "stablehlo.constant"() {value = dense<1.0> : tensor<f32>} : () -> tensor<f32>
    %177 = "stablehlo.broadcast_in_dim"(%176) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<1x1xf32>
    %178 = "stablehlo.minimum"(%175, %177) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    stablehlo.return %a84, %169, %167, %178 : tensor<3x3xf32>, tensor<i32>, tensor<3x3xf32>, tensor<1x1xf32>
  }) : (tensor<3x3xf32>, tensor<i32>, tensor<3x3xf32>, tensor<1x1xf32>) -> (tensor<3x3xf32>, tensor<i32>, tensor<3x3xf32>, tensor<1x1xf32>)
  %180 = "stablehlo.transpose"(%179#2) {permutation = array<i64: 1, 0>} : (tensor<3x3xf32>) -> tensor<3x3xf32>
  %181 = "stablehlo.dot_general"(%180, %49) {dot_dimension_numbers = #stablehlo.dot<lhs_batching_dimensions = [], rhs_batching_dimensions = [], lhs_contracting_dimensions = [1], rhs_contracting_dimensions = [0]>, precision_config = [#stablehlo<precision HIGHEST>, #stablehlo<precision HIGHEST>]} : (tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
  %182 = "stablehlo.transpose"(%181) {permutation = array<i64: 1, 0>} : (tensor<3x3xf32>) -> tensor<3x3xf32>
  %183 = "stablehlo.add"(%181, %182) : (tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
  %184 = "stablehlo.constant"() {value = dense<2.0> : tensor<3x3xf32>} : () -> tensor<3x3xf32>
  %185 = "stablehlo.divide"(%183, %184) : (tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
  %186:2 = "stablehlo.custom_call"(%185) {call_target_name = "Eigh", backend_config = "1,1,100,1e-12", api_version = 1 : i32} : (tensor<3x3xf32>) -> (tensor<3x3xf32>, tensor<3xf32>)
  %187 = "stablehlo.is_finite"(%185) : (tensor<3x3xf32>) -> tensor<3x3xi1>
  %191 = "stablehlo.reduce"(%187, %1) ({
  ^bb0(%a188: tensor<i1>, %a189: tensor<i1>):
    %190 = "stablehlo.and"(%a188, %a189) : (tensor<i1>, tensor<i1>) -> tensor<i1>
    stablehlo.return %190 : tensor<i1>
  }) {dimensions = array<i64: 1, 0>} : (tensor<3x3xi1>, tensor<i1>) -> tensor<i1>
  %192 = "stablehlo.reshape"(%191) : (tensor<i1>) -> tensor<1xi1>
  %193 = "stablehlo.reshape"(%192) : (tensor<1xi1>) -> tensor<1x1xi1>
  %194 = "stablehlo.broadcast_in_dim"(%193) {broadcast_dimensions = array<i64: 0, 1>} : (tensor<1x1xi1>) -> tensor<3x3xi1>
  %195 = "stablehlo.select"(%194, %186#0, %22) : (tensor<3x3xi1>, tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
  %196 = "stablehlo.constant"() {value = dense<0x7FC00000> : tensor<3xf32>} : () -> tensor<3xf32>
  %197 = "stablehlo.broadcast_in_dim"(%192) {broadcast_dimensions = array<i64: 0>} : (tensor<1xi1>) -> tensor<3xi1>
  %198 = "stablehlo.select"(%197, %186#1, %196) : (tensor<3xi1>, tensor<3xf32>, tensor<3xf32>) -> tensor<3xf32>
  %199 = "stablehlo.abs"(%198) : (tensor<3xf32>) -> tensor<3xf32>
  %200 = "stablehlo.negate"(%199) : (tensor<3xf32>) -> tensor<3xf32>
  %201 = "stablehlo.iota"() {iota_dimension = 0 : i64} : () -> tensor<3xi32>
  %217:2 = "stablehlo.sort"(%200, %201) ({
  ^bb0(%a202: tensor<f32>, %a203: tensor<f32>, %a204: tensor<i32>, %a205: tensor<i32>):
    %206 = "stablehlo.constant"() {value = dense<0.0> : tensor<f32>} : () -> tensor<f32>
    %207 = "stablehlo.compare"(%a202, %206) {comparison_direction = #stablehlo<comparison_direction EQ>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<f32>, tensor<f32>) -> tensor<i1>
    %208 = "stablehlo.select"(%207, %206, %a202) : (tensor<i1>, tensor<f32>, tensor<f32>) -> tensor<f32>
    %209 = "stablehlo.compare"(%a202, %a202) {comparison_direction = #stablehlo<comparison_direction NE>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<f32>, tensor<f32>) -> tensor<i1>
    %210 = "stablehlo.constant"() {value = dense<0x7FC00000> : tensor<f32>} : () -> tensor<f32>
    %211 = "stablehlo.select"(%209, %210, %208) : (tensor<i1>, tensor<f32>, tensor<f32>) -> tensor<f32>
    %212 = "stablehlo.compare"(%a203, %206) {comparison_direction = #stablehlo<comparison_direction EQ>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<f32>, tensor<f32>) -> tensor<i1>
    %213 = "stablehlo.select"(%212, %206, %a203) : (tensor<i1>, tensor<f32>, tensor<f32>) -> tensor<f32>
    %214 = "stablehlo.compare"(%a203, %a203) {comparison_direction = #stablehlo<comparison_direction NE>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<f32>, tensor<f32>) -> tensor<i1>
    %215 = "stablehlo.select"(%214, %210, %213) : (tensor<i1>, tensor<f32>, tensor<f32>) -> tensor<f32>
    %216 = "stablehlo.compare"(%211, %215) {comparison_direction = #stablehlo<comparison_direction LT>, compare_type = #stablehlo<comparison_type TOTALORDER>} : (tensor<f32>, tensor<f32>) -> tensor<i1>
    stablehlo.return %216 : tensor<i1>
  }) {dimension = 0 : i64, is_stable = true} : (tensor<3xf32>, tensor<3xi32>) -> (tensor<3xf32>, tensor<3xi32>)
  %218 = "stablehlo.broadcast_in_dim"(%68) {broadcast_dimensions = array<i64>} : (tensor<i32>) -> tensor<3xi32>
  %219 = "stablehlo.compare"(%217#1, %218) {comparison_direction = #stablehlo<comparison_direction LT>, compare_type = #stablehlo<comparison_type SIGNED>} : (tensor<3xi32>, tensor<3xi32>) -> tensor<3xi1>
  %220 = "stablehlo.constant"() {value = dense<3> : tensor<3xi32>} : () -> tensor<3xi32>
  %221 = "stablehlo.add"(%217#1, %220) : (tensor<3xi32>, tensor<3xi32>) -> tensor<3xi32>
  %222 = "stablehlo.select"(%219, %221, %217#1) : (tensor<3xi1>, tensor<3xi32>, tensor<3xi32>) -> tensor<3xi32>
  %223 = "stablehlo.reshape"(%222) : (tensor<3xi32>) -> tensor<3x1xi32>
  %224 = "stablehlo.gather"(%198, %223) {dimension_numbers = #stablehlo.gather<offset_dims = [], collapsed_slice_dims = [0], operand_batching_dims = [], start_indices_batching_dims = [], start_index_map = [0], index_vector_dim = 1>, slice_sizes = array<i64: 1>, indices_are_sorted = false} : (tensor<3xf32>, tensor<3x1xi32>) -> tensor<3xf32>
  %225 = "stablehlo.constant"() {value = dense<0> : tensor<3x1xi32>} : () -> tensor<3x1xi32>
  %226 = "stablehlo.constant"() {value = dense<2> : tensor<1xi32>} : () -> tensor<1xi32>
  %227 = "stablehlo.broadcast_in_dim"(%226) {broadcast_dimensions = array<i64: 1>} : (tensor<1xi32>) -> tensor<3x1xi32>
  %228 = "stablehlo.compare"(%223, %225) {comparison_direction = #stablehlo<comparison_direction GE>, compare_type = #stablehlo<comparison_type SIGNED>} : (tensor<3x1xi32>, tensor<3x1xi32>) -> tensor<3x1xi1>
  %229 = "stablehlo.compare"(%223, %227) {comparison_direction = #stablehlo<comparison_direction LE>, compare_type = #stablehlo<comparison_type SIGNED>} : (tensor<3x1xi32>, tensor<3x1xi32>) -> tensor<3x1xi1>
  %230 = "stablehlo.and"(%228, %229) : (tensor<3x1xi1>, tensor<3x1xi1>) -> tensor<3x1xi1>
  %234 = "stablehlo.reduce"(%230, %1) ({
  ^bb0(%a231: tensor<i1>, %a232: tensor<i1>):
    %233 = "stablehlo.and"(%a231, %a232) : (tensor<i1>, tensor<i1>) -> tensor<i1>
    stablehlo.return %233 : tensor<i1>
  }) {dimensions = array<i64: 1>} : (tensor<3x1xi1>, tensor<i1>) -> tensor<3xi1>
  %235 = "stablehlo.broadcast_in_dim"(%234) {broadcast_dimensions = array<i64: 0>} : (tensor<3xi1>) -> tensor<3xi1>
  %236 = "stablehlo.select"(%235, %224, %196) : (tensor<3xi1>, tensor<3xf32>, tensor<3xf32>) -> tensor<3xf32>
  %237 = "stablehlo.reshape"(%217#1) : (tensor<3xi32>) -> tensor<1x3xi32>
  %238 = "stablehlo.broadcast_in_dim"(%237) {broadcast_dimensions = array<i64: 0, 1>} : (tensor<1x3xi32>) -> tensor<3x3xi32>
  %239 = "stablehlo.broadcast_in_dim"(%68) {broadcast_dimensions = array<i64>} : (tensor<i32>) -> tensor<3x3xi32>
  %240 = "stablehlo.compare"(%238, %239) {comparison_direction = #stablehlo<comparison_direction LT>, compare_type = #stablehlo<comparison_type SIGNED>} : (tensor<3x3xi32>, tensor<3x3xi32>) -> tensor<3x3xi1>
  %241 = "stablehlo.constant"() {value = dense<3> : tensor<3x3xi32>} : () -> tensor<3x3xi32>
  %242 = "stablehlo.add"(%238, %241) : (tensor<3x3xi32>, tensor<3x3xi32>) -> tensor<3x3xi32>
  %243 = "stablehlo.select"(%240, %242, %238) : (tensor<3x3xi1>, tensor<3x3xi32>, tensor<3x3xi32>) -> tensor<3x3xi32>
  %244 = "stablehlo.reshape"(%243) : (tensor<3x3xi32>) -> tensor<3x3x1xi32>
  %245 = "stablehlo.gather"(%195, %244) {dimension_numbers = #stablehlo.gather<offset_dims = [], collapsed_slice_dims = [1], operand_batching_dims = [0], start_indices_batching_dims = [0], start_index_map = [1], index_vector_dim = 2>, slice_sizes = array<i64: 1, 1>, indices_are_sorted = false} : (tensor<3x3xf32>, tensor<3x3x1xi32>) -> tensor<3x3xf32>
  %246 = "stablehlo.constant"() {value = dense<0> : tensor<3x3x1xi32>} : () -> tensor<3x3x1xi32>
  %247 = "stablehlo.broadcast_in_dim"(%226) {broadcast_dimensions = array<i64: 2>} : (tensor<1xi32>) -> tensor<3x3x1xi32>
  %248 = "stablehlo.compare"(%244, %246) {comparison_direction = #stablehlo<comparison_direction GE>, compare_type = #stablehlo<comparison_type SIGNED>} : (tensor<3x3x1xi32>, tensor<3x3x1xi32>) -> tensor<3x3x1xi1>
  %249 = "stablehlo.compare"(%244, %247) {comparison_direction = #stablehlo<comparison_direction LE>, compare_type = #stablehlo<comparison_type SIGNED>} : (tensor<3x3x1xi32>, tensor<3x3x1xi32>) -> tensor<3x3x1xi1>
  %250 = "stablehlo.and"(%248, %249) : (tensor<3x3x1xi1>, tensor<3x3x1xi1>) -> tensor<3x3x1xi1>
  %254 = "stablehlo.reduce"(%250, %1) ({
  ^bb0(%a251: tensor<i1>, %a252: tensor<i1>):
    %253 = "stablehlo.and"(%a251, %a252) : (tensor<i1>, tensor<i1>) -> tensor<i1>
    stablehlo.return %253 : tensor<i1>
  }) {dimensions = array<i64: 2>} : (tensor<3x3x1xi1>, tensor<i1>) -> tensor<3x3xi1>
  %255 = "stablehlo.broadcast_in_dim"(%254) {broadcast_dimensions = array<i64: 0, 1>} : (tensor<3x3xi1>) -> tensor<3x3xi1>
  %256 = "stablehlo.select"(%255, %245, %22) : (tensor<3x3xi1>, tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
  %257 = "stablehlo.broadcast_in_dim"(%8) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<3xf32>
  %258 = "stablehlo.compare"(%236, %257) {comparison_direction = #stablehlo<comparison_direction LT>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<3xf32>, tensor<3xf32>) -> tensor<3xi1>
  %259 = "stablehlo.constant"() {value = dense<-1.0> : tensor<3xf32>} : () -> tensor<3xf32>
  %260 = "stablehlo.constant"() {value = dense<1.0> : tensor<3xf32>} : () -> tensor<3xf32>
  %261 = "stablehlo.select"(%258, %259, %260) : (tensor<3xi1>, tensor<3xf32>, tensor<3xf32>) -> tensor<3xf32>
  %262 = "stablehlo.dot_general"(%179#2, %256) {dot_dimension_numbers = #stablehlo.dot<lhs_batching_dimensions = [], rhs_batching_dimensions = [], lhs_contracting_dimensions = [1], rhs_contracting_dimensions = [0]>, precision_config = [#stablehlo<precision HIGHEST>, #stablehlo<precision HIGHEST>]} : (tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
  %263 = "stablehlo.reshape"(%261) : (tensor<3xf32>) -> tensor<1x3xf32>
  %264 = "stablehlo.broadcast_in_dim"(%263) {broadcast_dimensions = array<i64: 0, 1>} : (tensor<1x3xf32>) -> tensor<3x3xf32>
  %265 = "stablehlo.multiply"(%262, %264) : (tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
  %266:2 = "stablehlo.custom_call"(%265) {call_target_name = "Qr", backend_config = "", api_version = 1 : i32} : (tensor<3x3xf32>) -> (tensor<3x3xf32>, tensor<3xf32>)
  %267 = "stablehlo.custom_call"(%266#0, %266#1) {call_target_name = "ProductOfElementaryHouseholderReflectors", backend_config = "", api_version = 1 : i32} : (tensor<3x3xf32>, tensor<3xf32>) -> tensor<3x3xf32>
  %268 = "stablehlo.is_finite"(%265) : (tensor<3x3xf32>) -> tensor<3x3xi1>
  %272 = "stablehlo.reduce"(%268, %1) ({
  ^bb0(%a269: tensor<i1>, %a270: tensor<i1>):
    %271 = "stablehlo.and"(%a269, %a270) : (tensor<i1>, tensor<i1>) -> tensor<i1>
    stablehlo.return %271 : tensor<i1>
  }) {dimensions = array<i64: 1, 0>} : (tensor<3x3xi1>, tensor<i1>) -> tensor<i1>
  %273 = "stablehlo.reshape"(%272) : (tensor<i1>) -> tensor<1xi1>
  %274 = "stablehlo.reshape"(%273) : (tensor<1xi1>) -> tensor<1x1xi1>
  %275 = "stablehlo.broadcast_in_dim"(%274) {broadcast_dimensions = array<i64: 0, 1>} : (tensor<1x1xi1>) -> tensor<3x3xi1>
  %276 = "stablehlo.select"(%275, %267, %22) : (tensor<3x3xi1>, tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
  %277 = "stablehlo.transpose"(%266#0) {permutation = array<i64: 1, 0>} : (tensor<3x3xf32>) -> tensor<3x3xf32>
  %278 = "stablehlo.iota"() {iota_dimension = 0 : i64} : () -> tensor<3x3xi32>
  %279 = "stablehlo.add"(%278, %27) : (tensor<3x3xi32>, tensor<3x3xi32>) -> tensor<3x3xi32>
  %280 = "stablehlo.iota"() {iota_dimension = 1 : i64} : () -> tensor<3x3xi32>
  %281 = "stablehlo.compare"(%279, %280) {comparison_direction = #stablehlo<comparison_direction GE>, compare_type = #stablehlo<comparison_type SIGNED>} : (tensor<3x3xi32>, tensor<3x3xi32>) -> tensor<3x3xi1>
  %282 = "stablehlo.select"(%281, %277, %31) : (tensor<3x3xi1>, tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
  %283 = "stablehlo.transpose"(%282) {permutation = array<i64: 1, 0>} : (tensor<3x3xf32>) -> tensor<3x3xf32>
  %284 = "stablehlo.broadcast_in_dim"(%274) {broadcast_dimensions = array<i64: 0, 1>} : (tensor<1x1xi1>) -> tensor<3x3xi1>
  %285 = "stablehlo.select"(%284, %283, %22) : (tensor<3x3xi1>, tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
  %286 = "stablehlo.reshape"(%285) : (tensor<3x3xf32>) -> tensor<9xf32>
  %287 = "stablehlo.slice"(%286) {start_indices = array<i64: 0>, limit_indices = array<i64: 9>, strides = array<i64: 4>} : (tensor<9xf32>) -> tensor<3xf32>
  %288 = "stablehlo.broadcast_in_dim"(%8) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<3xf32>
  %289 = "stablehlo.compare"(%287, %288) {comparison_direction = #stablehlo<comparison_direction LT>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<3xf32>, tensor<3xf32>) -> tensor<3xi1>
  %290 = "stablehlo.select"(%289, %259, %260) : (tensor<3xi1>, tensor<3xf32>, tensor<3xf32>) -> tensor<3xf32>
  %291 = "stablehlo.reshape"(%290) : (tensor<3xf32>) -> tensor<1x3xf32>
  %292 = "stablehlo.broadcast_in_dim"(%291) {broadcast_dimensions = array<i64: 0, 1>} : (tensor<1x3xf32>) -> tensor<3x3xf32>
  %293 = "stablehlo.multiply"(%276, %292) : (tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
  %294 = "stablehlo.dot_general"(%24, %293) {dot_dimension_numbers = #stablehlo.dot<lhs_batching_dimensions = [], rhs_batching_dimensions = [], lhs_contracting_dimensions = [1], rhs_contracting_dimensions = [0]>, precision_config = [#stablehlo<precision HIGHEST>, #stablehlo<precision HIGHEST>]} : (tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
  %295 = "stablehlo.abs"(%236) : (tensor<3xf32>) -> tensor<3xf32>
  %296 = "stablehlo.reshape"(%46) : (tensor<1x1xf32>) -> tensor<1xf32>
  %297 = "stablehlo.broadcast_in_dim"(%296) {broadcast_dimensions = array<i64: 0>} : (tensor<1xf32>) -> tensor<3xf32>
  %298 = "stablehlo.multiply"(%295, %297) : (tensor<3xf32>, tensor<3xf32>) -> tensor<3xf32>
  %299 = "stablehlo.transpose"(%256) {permutation = array<i64: 1, 0>} : (tensor<3x3xf32>) -> tensor<3x3xf32>
  %300 = "stablehlo.reshape"(%6) : (tensor<1xi1>) -> tensor<1x1xi1>
  %301 = "stablehlo.broadcast_in_dim"(%300) {broadcast_dimensions = array<i64: 0, 1>} : (tensor<1x1xi1>) -> tensor<3x3xi1>
  %302 = "stablehlo.select"(%301, %294, %22) : (tensor<3x3xi1>, tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
  %303 = "stablehlo.reshape"(%6) : (tensor<1xi1>) -> tensor<1x1xi1>
  %304 = "stablehlo.broadcast_in_dim"(%303) {broadcast_dimensions = array<i64: 0, 1>} : (tensor<1x1xi1>) -> tensor<3x3xi1>
  %305 = "stablehlo.select"(%304, %299, %22) : (tensor<3x3xi1>, tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
  %306 = "stablehlo.broadcast_in_dim"(%6) {broadcast_dimensions = array<i64: 0>} : (tensor<1xi1>) -> tensor<3xi1>
  %307 = "stablehlo.select"(%306, %298, %196) : (tensor<3xi1>, tensor<3xf32>, tensor<3xf32>) -> tensor<3xf32>
  %308 = "stablehlo.sine"(%307) : (tensor<3xf32>) -> tensor<3xf32>
  %309 = "stablehlo.reshape"(%308) : (tensor<3xf32>) -> tensor<1x3xf32>
  %310 = "stablehlo.broadcast_in_dim"(%309) {broadcast_dimensions = array<i64: 0, 1>} : (tensor<1x3xf32>) -> tensor<3x3xf32>
  %311 = "stablehlo.multiply"(%302, %310) : (tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
  %312 = "stablehlo.dot_general"(%311, %305) {dot_dimension_numbers = #stablehlo.dot<lhs_batching_dimensions = [], rhs_batching_dimensions = [], lhs_contracting_dimensions = [1], rhs_contracting_dimensions = [0]>, precision_config = [#stablehlo<precision HIGHEST>, #stablehlo<precision HIGHEST>]} : (tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
  return %312, %307 : tensor<3x3xf32>, tensor<3xf32>
}
}
