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
  %47 = "stablehlo.broadcast_in_dim"(%46) {broadcast_dimensions = array<i64: 0, 1>} : (tensor<1x1xf32>) -> tensor<3x3xf32>
  %48 = "stablehlo.divide"(%35, %47) : (tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
  %49 = "stablehlo.multiply"(%48, %48) : (tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
  %53 = "stablehlo.reduce"(%49, %8) ({
  ^bb0(%a50: tensor<f32>, %a51: tensor<f32>):
    %52 = "stablehlo.add"(%a50, %a51) : (tensor<f32>, tensor<f32>) -> tensor<f32>
    stablehlo.return %52 : tensor<f32>
  }) {dimensions = array<i64: 1, 0>} : (tensor<3x3xf32>, tensor<f32>) -> tensor<f32>
  %54 = "stablehlo.reshape"(%53) : (tensor<f32>) -> tensor<1x1xf32>
  %55 = "stablehlo.sqrt"(%54) : (tensor<1x1xf32>) -> tensor<1x1xf32>
  %56 = "stablehlo.broadcast_in_dim"(%8) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<1x1xf32>
  %57 = "stablehlo.compare"(%55, %56) {comparison_direction = #stablehlo<comparison_direction EQ>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xi1>
  %58 = "stablehlo.select"(%57, %45, %55) : (tensor<1x1xi1>, tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
  %59 = "stablehlo.broadcast_in_dim"(%58) {broadcast_dimensions = array<i64: 0, 1>} : (tensor<1x1xf32>) -> tensor<3x3xf32>
  %60 = "stablehlo.divide"(%48, %59) : (tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
  %61 = "stablehlo.iota"() {iota_dimension = 0 : i64} : () -> tensor<3x3xi32>
  %62 = "stablehlo.iota"() {iota_dimension = 1 : i64} : () -> tensor<3x3xi32>
  %63 = "stablehlo.compare"(%61, %62) {comparison_direction = #stablehlo<comparison_direction EQ>, compare_type = #stablehlo<comparison_type SIGNED>} : (tensor<3x3xi32>, tensor<3x3xi32>) -> tensor<3x3xi1>
  %64 = "stablehlo.convert"(%63) : (tensor<3x3xi1>) -> tensor<3x3xf32>
  %65 = "stablehlo.constant"() {value = dense<1.1920929e-7> : tensor<1x1xf32>} : () -> tensor<1x1xf32>
  %66 = "stablehlo.constant"() {value = dense<0> : tensor<i32>} : () -> tensor<i32>
  %177:4 = "stablehlo.while"(%64, %66, %60, %65) ({
  ^bb0(%a67: tensor<3x3xf32>, %a68: tensor<i32>, %a69: tensor<3x3xf32>, %a70: tensor<1x1xf32>):
    %71 = "stablehlo.constant"() {value = dense<20> : tensor<i32>} : () -> tensor<i32>
    %72 = "stablehlo.compare"(%a68, %71) {comparison_direction = #stablehlo<comparison_direction LT>, compare_type = #stablehlo<comparison_type SIGNED>} : (tensor<i32>, tensor<i32>) -> tensor<i1>
    %73 = "stablehlo.constant"() {value = dense<0.9999995> : tensor<f32>} : () -> tensor<f32>
    %74 = "stablehlo.broadcast_in_dim"(%73) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<1x1xf32>
    %75 = "stablehlo.compare"(%a70, %74) {comparison_direction = #stablehlo<comparison_direction LT>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xi1>
    %76 = "stablehlo.constant"() {value = dense<false> : tensor<i1>} : () -> tensor<i1>
    %80 = "stablehlo.reduce"(%75, %76) ({
    ^bb0(%a77: tensor<i1>, %a78: tensor<i1>):
      %79 = "stablehlo.or"(%a77, %a78) : (tensor<i1>, tensor<i1>) -> tensor<i1>
      stablehlo.return %79 : tensor<i1>
    }) {dimensions = array<i64: 0, 1>} : (tensor<1x1xi1>, tensor<i1>) -> tensor<i1>
    %81 = "stablehlo.and"(%72, %80) : (tensor<i1>, tensor<i1>) -> tensor<i1>
    stablehlo.return %81 : tensor<i1>
  }, {
  ^bb0(%a82: tensor<3x3xf32>, %a83: tensor<i32>, %a84: tensor<3x3xf32>, %a85: tensor<1x1xf32>):
    %86 = "stablehlo.multiply"(%a85, %a85) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %87 = "stablehlo.constant"() {value = dense<1.0> : tensor<1x1xf32>} : () -> tensor<1x1xf32>
    %88 = "stablehlo.subtract"(%87, %86) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %89 = "stablehlo.constant"() {value = dense<4.0> : tensor<1x1xf32>} : () -> tensor<1x1xf32>
    %90 = "stablehlo.multiply"(%88, %89) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %91 = "stablehlo.constant"() {value = dense<0.0> : tensor<f32>} : () -> tensor<f32>
    %92 = "stablehlo.broadcast_in_dim"(%91) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<1x1xf32>
    %93 = "stablehlo.maximum"(%90, %92) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %94 = "stablehlo.multiply"(%86, %86) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %95 = "stablehlo.divide"(%93, %94) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %96 = "stablehlo.cbrt"(%95) : (tensor<1x1xf32>) -> tensor<1x1xf32>
    %97 = "stablehlo.add"(%96, %87) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %98 = "stablehlo.sqrt"(%97) : (tensor<1x1xf32>) -> tensor<1x1xf32>
    %99 = "stablehlo.constant"() {value = dense<2.0> : tensor<1x1xf32>} : () -> tensor<1x1xf32>
    %100 = "stablehlo.subtract"(%99, %86) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %101 = "stablehlo.constant"() {value = dense<8.0> : tensor<1x1xf32>} : () -> tensor<1x1xf32>
    %102 = "stablehlo.multiply"(%100, %101) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %103 = "stablehlo.multiply"(%86, %98) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %104 = "stablehlo.divide"(%102, %103) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %105 = "stablehlo.multiply"(%96, %89) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %106 = "stablehlo.subtract"(%104, %105) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %107 = "stablehlo.add"(%106, %101) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %108 = "stablehlo.broadcast_in_dim"(%91) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<1x1xf32>
    %109 = "stablehlo.maximum"(%107, %108) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %110 = "stablehlo.sqrt"(%109) : (tensor<1x1xf32>) -> tensor<1x1xf32>
    %111 = "stablehlo.constant"() {value = dense<0.5> : tensor<1x1xf32>} : () -> tensor<1x1xf32>
    %112 = "stablehlo.multiply"(%110, %111) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %113 = "stablehlo.add"(%98, %112) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %114 = "stablehlo.subtract"(%113, %87) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %115 = "stablehlo.subtract"(%113, %87) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %116 = "stablehlo.multiply"(%114, %115) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %117 = "stablehlo.constant"() {value = dense<0.25> : tensor<1x1xf32>} : () -> tensor<1x1xf32>
    %118 = "stablehlo.multiply"(%116, %117) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %119 = "stablehlo.add"(%113, %118) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %120 = "stablehlo.subtract"(%119, %87) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %121 = "stablehlo.sqrt"(%120) : (tensor<1x1xf32>) -> tensor<1x1xf32>
    %122 = "stablehlo.broadcast_in_dim"(%121) {broadcast_dimensions = array<i64: 0, 1>} : (tensor<1x1xf32>) -> tensor<3x3xf32>
    %123 = "stablehlo.multiply"(%a84, %122) : (tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
    %124 = "stablehlo.concatenate"(%123, %a82) {dimension = 0 : i64} : (tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<6x3xf32>
    %125:2 = "stablehlo.custom_call"(%124) {call_target_name = "Qr", backend_config = "", api_version = 1 : i32} : (tensor<6x3xf32>) -> (tensor<6x3xf32>, tensor<3xf32>)
    %126 = "stablehlo.constant"() {value = dense<> : tensor<6x0xf32>} : () -> tensor<6x0xf32>
    %127 = "stablehlo.custom_call"(%125#0, %125#1) {call_target_name = "ProductOfElementaryHouseholderReflectors", backend_config = "", api_version = 1 : i32} : (tensor<6x3xf32>, tensor<3xf32>) -> tensor<6x3xf32>
    %128 = "stablehlo.is_finite"(%124) : (tensor<6x3xf32>) -> tensor<6x3xi1>
    %129 = "stablehlo.constant"() {value = dense<true> : tensor<i1>} : () -> tensor<i1>
    %133 = "stablehlo.reduce"(%128, %129) ({
    ^bb0(%a130: tensor<i1>, %a131: tensor<i1>):
      %132 = "stablehlo.and"(%a130, %a131) : (tensor<i1>, tensor<i1>) -> tensor<i1>
      stablehlo.return %132 : tensor<i1>
    }) {dimensions = array<i64: 1, 0>} : (tensor<6x3xi1>, tensor<i1>) -> tensor<i1>
    %134 = "stablehlo.reshape"(%133) : (tensor<i1>) -> tensor<1xi1>
    %135 = "stablehlo.reshape"(%134) : (tensor<1xi1>) -> tensor<1x1xi1>
    %136 = "stablehlo.constant"() {value = dense<0x7FC00000> : tensor<6x3xf32>} : () -> tensor<6x3xf32>
    %137 = "stablehlo.broadcast_in_dim"(%135) {broadcast_dimensions = array<i64: 0, 1>} : (tensor<1x1xi1>) -> tensor<6x3xi1>
    %138 = "stablehlo.select"(%137, %127, %136) : (tensor<6x3xi1>, tensor<6x3xf32>, tensor<6x3xf32>) -> tensor<6x3xf32>
    %139 = "stablehlo.slice"(%125#0) {start_indices = array<i64: 0, 0>, limit_indices = array<i64: 3, 3>, strides = array<i64: 1, 1>} : (tensor<6x3xf32>) -> tensor<3x3xf32>
    %140 = "stablehlo.transpose"(%139) {permutation = array<i64: 1, 0>} : (tensor<3x3xf32>) -> tensor<3x3xf32>
    %141 = "stablehlo.iota"() {iota_dimension = 0 : i64} : () -> tensor<3x3xi32>
    %142 = "stablehlo.constant"() {value = dense<0> : tensor<3x3xi32>} : () -> tensor<3x3xi32>
    %143 = "stablehlo.add"(%141, %142) : (tensor<3x3xi32>, tensor<3x3xi32>) -> tensor<3x3xi32>
    %144 = "stablehlo.iota"() {iota_dimension = 1 : i64} : () -> tensor<3x3xi32>
    %145 = "stablehlo.compare"(%143, %144) {comparison_direction = #stablehlo<comparison_direction GE>, compare_type = #stablehlo<comparison_type SIGNED>} : (tensor<3x3xi32>, tensor<3x3xi32>) -> tensor<3x3xi1>
    %146 = "stablehlo.constant"() {value = dense<0.0> : tensor<3x3xf32>} : () -> tensor<3x3xf32>
    %147 = "stablehlo.select"(%145, %140, %146) : (tensor<3x3xi1>, tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
    %148 = "stablehlo.transpose"(%147) {permutation = array<i64: 1, 0>} : (tensor<3x3xf32>) -> tensor<3x3xf32>
    %149 = "stablehlo.constant"() {value = dense<0x7FC00000> : tensor<3x3xf32>} : () -> tensor<3x3xf32>
    %150 = "stablehlo.broadcast_in_dim"(%135) {broadcast_dimensions = array<i64: 0, 1>} : (tensor<1x1xi1>) -> tensor<3x3xi1>
    %151 = "stablehlo.select"(%150, %148, %149) : (tensor<3x3xi1>, tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
    %152 = "stablehlo.slice"(%138) {start_indices = array<i64: 0, 0>, limit_indices = array<i64: 3, 3>, strides = array<i64: 1, 1>} : (tensor<6x3xf32>) -> tensor<3x3xf32>
    %153 = "stablehlo.slice"(%138) {start_indices = array<i64: 3, 0>, limit_indices = array<i64: 6, 3>, strides = array<i64: 1, 1>} : (tensor<6x3xf32>) -> tensor<3x3xf32>
    %154 = "stablehlo.transpose"(%153) {permutation = array<i64: 1, 0>} : (tensor<3x3xf32>) -> tensor<3x3xf32>
    %155 = "stablehlo.dot_general"(%152, %154) {dot_dimension_numbers = #stablehlo.dot<lhs_batching_dimensions = [], rhs_batching_dimensions = [], lhs_contracting_dimensions = [1], rhs_contracting_dimensions = [0]>, precision_config = [#stablehlo<precision HIGHEST>, #stablehlo<precision HIGHEST>]} : (tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
    %156 = "stablehlo.divide"(%118, %120) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %157 = "stablehlo.broadcast_in_dim"(%156) {broadcast_dimensions = array<i64: 0, 1>} : (tensor<1x1xf32>) -> tensor<3x3xf32>
    %158 = "stablehlo.multiply"(%a84, %157) : (tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
    %159 = "stablehlo.divide"(%118, %120) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %160 = "stablehlo.subtract"(%113, %159) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %161 = "stablehlo.sqrt"(%120) : (tensor<1x1xf32>) -> tensor<1x1xf32>
    %162 = "stablehlo.divide"(%160, %161) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %163 = "stablehlo.broadcast_in_dim"(%162) {broadcast_dimensions = array<i64: 0, 1>} : (tensor<1x1xf32>) -> tensor<3x3xf32>
    %164 = "stablehlo.multiply"(%155, %163) : (tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
    %165 = "stablehlo.add"(%158, %164) : (tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
    %166 = "stablehlo.constant"() {value = dense<1> : tensor<i32>} : () -> tensor<i32>
    %167 = "stablehlo.add"(%a83, %166) : (tensor<i32>, tensor<i32>) -> tensor<i32>
    %168 = "stablehlo.multiply"(%118, %86) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %169 = "stablehlo.add"(%113, %168) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %170 = "stablehlo.multiply"(%a85, %169) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %171 = "stablehlo.multiply"(%120, %86) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %172 = "stablehlo.add"(%171, %87) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %173 = "stablehlo.divide"(%170, %172) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    %174 = "stablehlo.constant"() {value = dense<1.0> : tensor<f32>} : () -> tensor<f32>
    %175 = "stablehlo.broadcast_in_dim"(%174) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<1x1xf32>
    %176 = "stablehlo.minimum"(%173, %175) : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
    stablehlo.return %a82, %167, %165, %176 : tensor<3x3xf32>, tensor<i32>, tensor<3x3xf32>, tensor<1x1xf32>
  }) : (tensor<3x3xf32>, tensor<i32>, tensor<3x3xf32>, tensor<1x1xf32>) -> (tensor<3x3xf32>, tensor<i32>, tensor<3x3xf32>, tensor<1x1xf32>)
  %178 = "stablehlo.transpose"(%177#2) {permutation = array<i64: 1, 0>} : (tensor<3x3xf32>) -> tensor<3x3xf32>
  %179 = "stablehlo.dot_general"(%178, %48) {dot_dimension_numbers = #stablehlo.dot<lhs_batching_dimensions = [], rhs_batching_dimensions = [], lhs_contracting_dimensions = [1], rhs_contracting_dimensions = [0]>, precision_config = [#stablehlo<precision HIGHEST>, #stablehlo<precision HIGHEST>]} : (tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
  %180 = "stablehlo.transpose"(%179) {permutation = array<i64: 1, 0>} : (tensor<3x3xf32>) -> tensor<3x3xf32>
  %181 = "stablehlo.add"(%179, %180) : (tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
  %182 = "stablehlo.constant"() {value = dense<2.0> : tensor<3x3xf32>} : () -> tensor<3x3xf32>
  %183 = "stablehlo.divide"(%181, %182) : (tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
  %184:2 = "stablehlo.custom_call"(%183) {call_target_name = "Eigh", backend_config = "1,1,100,1e-12", api_version = 1 : i32} : (tensor<3x3xf32>) -> (tensor<3x3xf32>, tensor<3xf32>)
  %185 = "stablehlo.is_finite"(%183) : (tensor<3x3xf32>) -> tensor<3x3xi1>
  %189 = "stablehlo.reduce"(%185, %1) ({
  ^bb0(%a186: tensor<i1>, %a187: tensor<i1>):
    %188 = "stablehlo.and"(%a186, %a187) : (tensor<i1>, tensor<i1>) -> tensor<i1>
    stablehlo.return %188 : tensor<i1>
  }) {dimensions = array<i64: 1, 0>} : (tensor<3x3xi1>, tensor<i1>) -> tensor<i1>
  %190 = "stablehlo.reshape"(%189) : (tensor<i1>) -> tensor<1xi1>
  %191 = "stablehlo.reshape"(%190) : (tensor<1xi1>) -> tensor<1x1xi1>
  %192 = "stablehlo.broadcast_in_dim"(%191) {broadcast_dimensions = array<i64: 0, 1>} : (tensor<1x1xi1>) -> tensor<3x3xi1>
  %193 = "stablehlo.select"(%192, %184#0, %22) : (tensor<3x3xi1>, tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
  %194 = "stablehlo.constant"() {value = dense<0x7FC00000> : tensor<3xf32>} : () -> tensor<3xf32>
  %195 = "stablehlo.broadcast_in_dim"(%190) {broadcast_dimensions = array<i64: 0>} : (tensor<1xi1>) -> tensor<3xi1>
  %196 = "stablehlo.select"(%195, %184#1, %194) : (tensor<3xi1>, tensor<3xf32>, tensor<3xf32>) -> tensor<3xf32>
  %197 = "stablehlo.abs"(%196) : (tensor<3xf32>) -> tensor<3xf32>
  %198 = "stablehlo.negate"(%197) : (tensor<3xf32>) -> tensor<3xf32>
  %199 = "stablehlo.iota"() {iota_dimension = 0 : i64} : () -> tensor<3xi32>
  %215:2 = "stablehlo.sort"(%198, %199) ({
  ^bb0(%a200: tensor<f32>, %a201: tensor<f32>, %a202: tensor<i32>, %a203: tensor<i32>):
    %204 = "stablehlo.constant"() {value = dense<0.0> : tensor<f32>} : () -> tensor<f32>
    %205 = "stablehlo.compare"(%a200, %204) {comparison_direction = #stablehlo<comparison_direction EQ>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<f32>, tensor<f32>) -> tensor<i1>
    %206 = "stablehlo.select"(%205, %204, %a200) : (tensor<i1>, tensor<f32>, tensor<f32>) -> tensor<f32>
    %207 = "stablehlo.compare"(%a200, %a200) {comparison_direction = #stablehlo<comparison_direction NE>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<f32>, tensor<f32>) -> tensor<i1>
    %208 = "stablehlo.constant"() {value = dense<0x7FC00000> : tensor<f32>} : () -> tensor<f32>
    %209 = "stablehlo.select"(%207, %208, %206) : (tensor<i1>, tensor<f32>, tensor<f32>) -> tensor<f32>
    %210 = "stablehlo.compare"(%a201, %204) {comparison_direction = #stablehlo<comparison_direction EQ>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<f32>, tensor<f32>) -> tensor<i1>
    %211 = "stablehlo.select"(%210, %204, %a201) : (tensor<i1>, tensor<f32>, tensor<f32>) -> tensor<f32>
    %212 = "stablehlo.compare"(%a201, %a201) {comparison_direction = #stablehlo<comparison_direction NE>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<f32>, tensor<f32>) -> tensor<i1>
    %213 = "stablehlo.select"(%212, %208, %211) : (tensor<i1>, tensor<f32>, tensor<f32>) -> tensor<f32>
    %214 = "stablehlo.compare"(%209, %213) {comparison_direction = #stablehlo<comparison_direction LT>, compare_type = #stablehlo<comparison_type TOTALORDER>} : (tensor<f32>, tensor<f32>) -> tensor<i1>
    stablehlo.return %214 : tensor<i1>
  }) {dimension = 0 : i64, is_stable = true} : (tensor<3xf32>, tensor<3xi32>) -> (tensor<3xf32>, tensor<3xi32>)
  %216 = "stablehlo.broadcast_in_dim"(%66) {broadcast_dimensions = array<i64>} : (tensor<i32>) -> tensor<3xi32>
  %217 = "stablehlo.compare"(%215#1, %216) {comparison_direction = #stablehlo<comparison_direction LT>, compare_type = #stablehlo<comparison_type SIGNED>} : (tensor<3xi32>, tensor<3xi32>) -> tensor<3xi1>
  %218 = "stablehlo.constant"() {value = dense<3> : tensor<3xi32>} : () -> tensor<3xi32>
  %219 = "stablehlo.add"(%215#1, %218) : (tensor<3xi32>, tensor<3xi32>) -> tensor<3xi32>
  %220 = "stablehlo.select"(%217, %219, %215#1) : (tensor<3xi1>, tensor<3xi32>, tensor<3xi32>) -> tensor<3xi32>
  %221 = "stablehlo.reshape"(%220) : (tensor<3xi32>) -> tensor<3x1xi32>
  %222 = "stablehlo.gather"(%196, %221) {dimension_numbers = #stablehlo.gather<offset_dims = [], collapsed_slice_dims = [0], operand_batching_dims = [], start_indices_batching_dims = [], start_index_map = [0], index_vector_dim = 1>, slice_sizes = array<i64: 1>, indices_are_sorted = false} : (tensor<3xf32>, tensor<3x1xi32>) -> tensor<3xf32>
  %223 = "stablehlo.constant"() {value = dense<0> : tensor<3x1xi32>} : () -> tensor<3x1xi32>
  %224 = "stablehlo.constant"() {value = dense<2> : tensor<1xi32>} : () -> tensor<1xi32>
  %225 = "stablehlo.broadcast_in_dim"(%224) {broadcast_dimensions = array<i64: 1>} : (tensor<1xi32>) -> tensor<3x1xi32>
  %226 = "stablehlo.compare"(%221, %223) {comparison_direction = #stablehlo<comparison_direction GE>, compare_type = #stablehlo<comparison_type SIGNED>} : (tensor<3x1xi32>, tensor<3x1xi32>) -> tensor<3x1xi1>
  %227 = "stablehlo.compare"(%221, %225) {comparison_direction = #stablehlo<comparison_direction LE>, compare_type = #stablehlo<comparison_type SIGNED>} : (tensor<3x1xi32>, tensor<3x1xi32>) -> tensor<3x1xi1>
  %228 = "stablehlo.and"(%226, %227) : (tensor<3x1xi1>, tensor<3x1xi1>) -> tensor<3x1xi1>
  %232 = "stablehlo.reduce"(%228, %1) ({
  ^bb0(%a229: tensor<i1>, %a230: tensor<i1>):
    %231 = "stablehlo.and"(%a229, %a230) : (tensor<i1>, tensor<i1>) -> tensor<i1>
    stablehlo.return %231 : tensor<i1>
  }) {dimensions = array<i64: 1>} : (tensor<3x1xi1>, tensor<i1>) -> tensor<3xi1>
  %233 = "stablehlo.broadcast_in_dim"(%232) {broadcast_dimensions = array<i64: 0>} : (tensor<3xi1>) -> tensor<3xi1>
  %234 = "stablehlo.select"(%233, %222, %194) : (tensor<3xi1>, tensor<3xf32>, tensor<3xf32>) -> tensor<3xf32>
  %235 = "stablehlo.reshape"(%215#1) : (tensor<3xi32>) -> tensor<1x3xi32>
  %236 = "stablehlo.broadcast_in_dim"(%235) {broadcast_dimensions = array<i64: 0, 1>} : (tensor<1x3xi32>) -> tensor<3x3xi32>
  %237 = "stablehlo.broadcast_in_dim"(%66) {broadcast_dimensions = array<i64>} : (tensor<i32>) -> tensor<3x3xi32>
  %238 = "stablehlo.compare"(%236, %237) {comparison_direction = #stablehlo<comparison_direction LT>, compare_type = #stablehlo<comparison_type SIGNED>} : (tensor<3x3xi32>, tensor<3x3xi32>) -> tensor<3x3xi1>
  %239 = "stablehlo.constant"() {value = dense<3> : tensor<3x3xi32>} : () -> tensor<3x3xi32>
  %240 = "stablehlo.add"(%236, %239) : (tensor<3x3xi32>, tensor<3x3xi32>) -> tensor<3x3xi32>
  %241 = "stablehlo.select"(%238, %240, %236) : (tensor<3x3xi1>, tensor<3x3xi32>, tensor<3x3xi32>) -> tensor<3x3xi32>
  %242 = "stablehlo.reshape"(%241) : (tensor<3x3xi32>) -> tensor<3x3x1xi32>
  %243 = "stablehlo.gather"(%193, %242) {dimension_numbers = #stablehlo.gather<offset_dims = [], collapsed_slice_dims = [1], operand_batching_dims = [0], start_indices_batching_dims = [0], start_index_map = [1], index_vector_dim = 2>, slice_sizes = array<i64: 1, 1>, indices_are_sorted = false} : (tensor<3x3xf32>, tensor<3x3x1xi32>) -> tensor<3x3xf32>
  %244 = "stablehlo.constant"() {value = dense<0> : tensor<3x3x1xi32>} : () -> tensor<3x3x1xi32>
  %245 = "stablehlo.broadcast_in_dim"(%224) {broadcast_dimensions = array<i64: 2>} : (tensor<1xi32>) -> tensor<3x3x1xi32>
  %246 = "stablehlo.compare"(%242, %244) {comparison_direction = #stablehlo<comparison_direction GE>, compare_type = #stablehlo<comparison_type SIGNED>} : (tensor<3x3x1xi32>, tensor<3x3x1xi32>) -> tensor<3x3x1xi1>
  %247 = "stablehlo.compare"(%242, %245) {comparison_direction = #stablehlo<comparison_direction LE>, compare_type = #stablehlo<comparison_type SIGNED>} : (tensor<3x3x1xi32>, tensor<3x3x1xi32>) -> tensor<3x3x1xi1>
  %248 = "stablehlo.and"(%246, %247) : (tensor<3x3x1xi1>, tensor<3x3x1xi1>) -> tensor<3x3x1xi1>
  %252 = "stablehlo.reduce"(%248, %1) ({
  ^bb0(%a249: tensor<i1>, %a250: tensor<i1>):
    %251 = "stablehlo.and"(%a249, %a250) : (tensor<i1>, tensor<i1>) -> tensor<i1>
    stablehlo.return %251 : tensor<i1>
  }) {dimensions = array<i64: 2>} : (tensor<3x3x1xi1>, tensor<i1>) -> tensor<3x3xi1>
  %253 = "stablehlo.broadcast_in_dim"(%252) {broadcast_dimensions = array<i64: 0, 1>} : (tensor<3x3xi1>) -> tensor<3x3xi1>
  %254 = "stablehlo.select"(%253, %243, %22) : (tensor<3x3xi1>, tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
  %255 = "stablehlo.broadcast_in_dim"(%8) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<3xf32>
  %256 = "stablehlo.compare"(%234, %255) {comparison_direction = #stablehlo<comparison_direction LT>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<3xf32>, tensor<3xf32>) -> tensor<3xi1>
  %257 = "stablehlo.constant"() {value = dense<-1.0> : tensor<3xf32>} : () -> tensor<3xf32>
  %258 = "stablehlo.constant"() {value = dense<1.0> : tensor<3xf32>} : () -> tensor<3xf32>
  %259 = "stablehlo.select"(%256, %257, %258) : (tensor<3xi1>, tensor<3xf32>, tensor<3xf32>) -> tensor<3xf32>
  %260 = "stablehlo.dot_general"(%177#2, %254) {dot_dimension_numbers = #stablehlo.dot<lhs_batching_dimensions = [], rhs_batching_dimensions = [], lhs_contracting_dimensions = [1], rhs_contracting_dimensions = [0]>, precision_config = [#stablehlo<precision HIGHEST>, #stablehlo<precision HIGHEST>]} : (tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
  %261 = "stablehlo.reshape"(%259) : (tensor<3xf32>) -> tensor<1x3xf32>
  %262 = "stablehlo.broadcast_in_dim"(%261) {broadcast_dimensions = array<i64: 0, 1>} : (tensor<1x3xf32>) -> tensor<3x3xf32>
  %263 = "stablehlo.multiply"(%260, %262) : (tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
  %264:2 = "stablehlo.custom_call"(%263) {call_target_name = "Qr", backend_config = "", api_version = 1 : i32} : (tensor<3x3xf32>) -> (tensor<3x3xf32>, tensor<3xf32>)
  %265 = "stablehlo.custom_call"(%264#0, %264#1) {call_target_name = "ProductOfElementaryHouseholderReflectors", backend_config = "", api_version = 1 : i32} : (tensor<3x3xf32>, tensor<3xf32>) -> tensor<3x3xf32>
  %266 = "stablehlo.is_finite"(%263) : (tensor<3x3xf32>) -> tensor<3x3xi1>
  %270 = "stablehlo.reduce"(%266, %1) ({
  ^bb0(%a267: tensor<i1>, %a268: tensor<i1>):
    %269 = "stablehlo.and"(%a267, %a268) : (tensor<i1>, tensor<i1>) -> tensor<i1>
    stablehlo.return %269 : tensor<i1>
  }) {dimensions = array<i64: 1, 0>} : (tensor<3x3xi1>, tensor<i1>) -> tensor<i1>
  %271 = "stablehlo.reshape"(%270) : (tensor<i1>) -> tensor<1xi1>
  %272 = "stablehlo.reshape"(%271) : (tensor<1xi1>) -> tensor<1x1xi1>
  %273 = "stablehlo.broadcast_in_dim"(%272) {broadcast_dimensions = array<i64: 0, 1>} : (tensor<1x1xi1>) -> tensor<3x3xi1>
  %274 = "stablehlo.select"(%273, %265, %22) : (tensor<3x3xi1>, tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
  %275 = "stablehlo.transpose"(%264#0) {permutation = array<i64: 1, 0>} : (tensor<3x3xf32>) -> tensor<3x3xf32>
  %276 = "stablehlo.iota"() {iota_dimension = 0 : i64} : () -> tensor<3x3xi32>
  %277 = "stablehlo.add"(%276, %27) : (tensor<3x3xi32>, tensor<3x3xi32>) -> tensor<3x3xi32>
  %278 = "stablehlo.iota"() {iota_dimension = 1 : i64} : () -> tensor<3x3xi32>
  %279 = "stablehlo.compare"(%277, %278) {comparison_direction = #stablehlo<comparison_direction GE>, compare_type = #stablehlo<comparison_type SIGNED>} : (tensor<3x3xi32>, tensor<3x3xi32>) -> tensor<3x3xi1>
  %280 = "stablehlo.select"(%279, %275, %31) : (tensor<3x3xi1>, tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
  %281 = "stablehlo.transpose"(%280) {permutation = array<i64: 1, 0>} : (tensor<3x3xf32>) -> tensor<3x3xf32>
  %282 = "stablehlo.broadcast_in_dim"(%272) {broadcast_dimensions = array<i64: 0, 1>} : (tensor<1x1xi1>) -> tensor<3x3xi1>
  %283 = "stablehlo.select"(%282, %281, %22) : (tensor<3x3xi1>, tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
  %284 = "stablehlo.iota"() {iota_dimension = 0 : i64} : () -> tensor<3x3xi32>
  %285 = "stablehlo.iota"() {iota_dimension = 1 : i64} : () -> tensor<3x3xi32>
  %286 = "stablehlo.compare"(%284, %285) {comparison_direction = #stablehlo<comparison_direction EQ>, compare_type = #stablehlo<comparison_type SIGNED>} : (tensor<3x3xi32>, tensor<3x3xi32>) -> tensor<3x3xi1>
  %287 = "stablehlo.select"(%286, %283, %31) : (tensor<3x3xi1>, tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
  %291 = "stablehlo.reduce"(%287, %8) ({
  ^bb0(%a288: tensor<f32>, %a289: tensor<f32>):
    %290 = "stablehlo.add"(%a288, %a289) : (tensor<f32>, tensor<f32>) -> tensor<f32>
    stablehlo.return %290 : tensor<f32>
  }) {dimensions = array<i64: 1>} : (tensor<3x3xf32>, tensor<f32>) -> tensor<3xf32>
  %292 = "stablehlo.broadcast_in_dim"(%8) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<3xf32>
  %293 = "stablehlo.compare"(%291, %292) {comparison_direction = #stablehlo<comparison_direction LT>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<3xf32>, tensor<3xf32>) -> tensor<3xi1>
  %294 = "stablehlo.select"(%293, %257, %258) : (tensor<3xi1>, tensor<3xf32>, tensor<3xf32>) -> tensor<3xf32>
  %295 = "stablehlo.reshape"(%294) : (tensor<3xf32>) -> tensor<1x3xf32>
  %296 = "stablehlo.broadcast_in_dim"(%295) {broadcast_dimensions = array<i64: 0, 1>} : (tensor<1x3xf32>) -> tensor<3x3xf32>
  %297 = "stablehlo.multiply"(%274, %296) : (tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
  %298 = "stablehlo.dot_general"(%24, %297) {dot_dimension_numbers = #stablehlo.dot<lhs_batching_dimensions = [], rhs_batching_dimensions = [], lhs_contracting_dimensions = [1], rhs_contracting_dimensions = [0]>, precision_config = [#stablehlo<precision HIGHEST>, #stablehlo<precision HIGHEST>]} : (tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
  %299 = "stablehlo.abs"(%234) : (tensor<3xf32>) -> tensor<3xf32>
  %300 = "stablehlo.reshape"(%46) : (tensor<1x1xf32>) -> tensor<1xf32>
  %301 = "stablehlo.broadcast_in_dim"(%300) {broadcast_dimensions = array<i64: 0>} : (tensor<1xf32>) -> tensor<3xf32>
  %302 = "stablehlo.multiply"(%299, %301) : (tensor<3xf32>, tensor<3xf32>) -> tensor<3xf32>
  %303 = "stablehlo.transpose"(%254) {permutation = array<i64: 1, 0>} : (tensor<3x3xf32>) -> tensor<3x3xf32>
  %304 = "stablehlo.reshape"(%6) : (tensor<1xi1>) -> tensor<1x1xi1>
  %305 = "stablehlo.broadcast_in_dim"(%304) {broadcast_dimensions = array<i64: 0, 1>} : (tensor<1x1xi1>) -> tensor<3x3xi1>
  %306 = "stablehlo.select"(%305, %298, %22) : (tensor<3x3xi1>, tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
  %307 = "stablehlo.reshape"(%6) : (tensor<1xi1>) -> tensor<1x1xi1>
  %308 = "stablehlo.broadcast_in_dim"(%307) {broadcast_dimensions = array<i64: 0, 1>} : (tensor<1x1xi1>) -> tensor<3x3xi1>
  %309 = "stablehlo.select"(%308, %303, %22) : (tensor<3x3xi1>, tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
  %310 = "stablehlo.broadcast_in_dim"(%6) {broadcast_dimensions = array<i64: 0>} : (tensor<1xi1>) -> tensor<3xi1>
  %311 = "stablehlo.select"(%310, %302, %194) : (tensor<3xi1>, tensor<3xf32>, tensor<3xf32>) -> tensor<3xf32>
  %312 = "stablehlo.sine"(%311) : (tensor<3xf32>) -> tensor<3xf32>
  %313 = "stablehlo.reshape"(%312) : (tensor<3xf32>) -> tensor<1x3xf32>
  %314 = "stablehlo.broadcast_in_dim"(%313) {broadcast_dimensions = array<i64: 0, 1>} : (tensor<1x3xf32>) -> tensor<3x3xf32>
  %315 = "stablehlo.multiply"(%306, %314) : (tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
  %316 = "stablehlo.dot_general"(%315, %309) {dot_dimension_numbers = #stablehlo.dot<lhs_batching_dimensions = [], rhs_batching_dimensions = [], lhs_contracting_dimensions = [1], rhs_contracting_dimensions = [0]>, precision_config = [#stablehlo<precision HIGHEST>, #stablehlo<precision HIGHEST>]} : (tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
  return %316, %311 : tensor<3x3xf32>, tensor<3xf32>
}
}
