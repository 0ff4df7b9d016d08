// igamma of f32: values
module @main {
func.func public @main(%arg0: tensor<3x4xf32>, %arg1: tensor<3x4xf32>) -> (tensor<3x4xf32>) {
  %0 = "stablehlo.constant"() {value = dense<0x7F800000> : tensor<f32>} : () -> tensor<f32>
  %1 = "stablehlo.broadcast_in_dim"(%0) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<3x4xf32>
  %2 = "stablehlo.compare"(%arg1, %1) {comparison_direction = #stablehlo<comparison_direction EQ>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xi1>
  %3 = "stablehlo.constant"() {value = dense<0.0> : tensor<f32>} : () -> tensor<f32>
  %4 = "stablehlo.broadcast_in_dim"(%3) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<3x4xf32>
  %5 = "stablehlo.compare"(%arg1, %4) {comparison_direction = #stablehlo<comparison_direction LT>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xi1>
  %6 = "stablehlo.broadcast_in_dim"(%3) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<3x4xf32>
  %7 = "stablehlo.compare"(%arg0, %6) {comparison_direction = #stablehlo<comparison_direction LT>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xi1>
  %8 = "stablehlo.or"(%5, %7) : (tensor<3x4xi1>, tensor<3x4xi1>) -> tensor<3x4xi1>
  %9 = "stablehlo.broadcast_in_dim"(%3) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<3x4xf32>
  %10 = "stablehlo.compare"(%arg0, %9) {comparison_direction = #stablehlo<comparison_direction EQ>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xi1>
  %11 = "stablehlo.broadcast_in_dim"(%3) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<3x4xf32>
  %12 = "stablehlo.compare"(%arg1, %11) {comparison_direction = #stablehlo<comparison_direction EQ>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xi1>
  %13 = "stablehlo.and"(%10, %12) : (tensor<3x4xi1>, tensor<3x4xi1>) -> tensor<3x4xi1>
  %14 = "stablehlo.or"(%8, %13) : (tensor<3x4xi1>, tensor<3x4xi1>) -> tensor<3x4xi1>
  %15 = "stablehlo.compare"(%arg0, %arg0) {comparison_direction = #stablehlo<comparison_direction NE>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xi1>
  %16 = "stablehlo.or"(%14, %15) : (tensor<3x4xi1>, tensor<3x4xi1>) -> tensor<3x4xi1>
  %17 = "stablehlo.compare"(%arg1, %arg1) {comparison_direction = #stablehlo<comparison_direction NE>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xi1>
  %18 = "stablehlo.or"(%16, %17) : (tensor<3x4xi1>, tensor<3x4xi1>) -> tensor<3x4xi1>
  %19 = "stablehlo.constant"() {value = dense<1.0> : tensor<f32>} : () -> tensor<f32>
  %20 = "stablehlo.broadcast_in_dim"(%19) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<3x4xf32>
  %21 = "stablehlo.compare"(%arg1, %20) {comparison_direction = #stablehlo<comparison_direction GE>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xi1>
  %22 = "stablehlo.compare"(%arg1, %arg0) {comparison_direction = #stablehlo<comparison_direction GT>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xi1>
  %23 = "stablehlo.and"(%21, %22) : (tensor<3x4xi1>, tensor<3x4xi1>) -> tensor<3x4xi1>
  %24 = "stablehlo.log"(%arg1) : (tensor<3x4xf32>) -> tensor<3x4xf32>
  %25 = "stablehlo.multiply"(%arg0, %24) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %26 = "stablehlo.subtract"(%25, %arg1) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %27 = "chlo.lgamma"(%arg0) : (tensor<3x4xf32>) -> tensor<3x4xf32>
  %28 = "stablehlo.subtract"(%26, %27) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %29 = "stablehlo.exponential"(%28) : (tensor<3x4xf32>) -> tensor<3x4xf32>
  %30 = "stablehlo.constant"() {value = dense<-88.72284> : tensor<f32>} : () -> tensor<f32>
  %31 = "stablehlo.broadcast_in_dim"(%30) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<3x4xf32>
  %32 = "stablehlo.compare"(%28, %31) {comparison_direction = #stablehlo<comparison_direction LT>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xi1>
  %33 = "stablehlo.broadcast_in_dim"(%3) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<3x4xf32>
  %34 = "stablehlo.compare"(%arg1, %33) {comparison_direction = #stablehlo<comparison_direction EQ>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xi1>
  %35 = "stablehlo.or"(%34, %18) : (tensor<3x4xi1>, tensor<3x4xi1>) -> tensor<3x4xi1>
  %36 = "stablehlo.or"(%35, %32) : (tensor<3x4xi1>, tensor<3x4xi1>) -> tensor<3x4xi1>
  %37 = "stablehlo.or"(%36, %2) : (tensor<3x4xi1>, tensor<3x4xi1>) -> tensor<3x4xi1>
  %38 = "stablehlo.not"(%37) : (tensor<3x4xi1>) -> tensor<3x4xi1>
  %39 = "stablehlo.and"(%38, %23) : (tensor<3x4xi1>, tensor<3x4xi1>) -> tensor<3x4xi1>
  %40 = "stablehlo.constant"() {value = dense<0.0> : tensor<3x4xf32>} : () -> tensor<3x4xf32>
  %41 = "stablehlo.constant"() {value = dense<1.0> : tensor<3x4xf32>} : () -> tensor<3x4xf32>
  %42 = "stablehlo.subtract"(%41, %arg0) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %43 = "stablehlo.add"(%arg1, %42) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %44 = "stablehlo.add"(%43, %41) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %45 = "stablehlo.add"(%arg1, %41) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %46 = "stablehlo.multiply"(%44, %arg1) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %47 = "stablehlo.divide"(%45, %46) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %48 = "stablehlo.negate"(%arg1) : (tensor<3x4xf32>) -> tensor<3x4xf32>
  %49 = "stablehlo.multiply"(%47, %48) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %50 = "stablehlo.subtract"(%40, %49) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %51 = "stablehlo.divide"(%50, %46) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %52 = "stablehlo.negate"(%arg1) : (tensor<3x4xf32>) -> tensor<3x4xf32>
  %170:14 = "stablehlo.while"(%39, %3, %47, %42, %44, %45, %46, %41, %arg1, %40, %40, %40, %52, %51) ({
  ^bb0(%a53: tensor<3x4xi1>, %a54: tensor<f32>, %a55: tensor<3x4xf32>, %a56: tensor<3x4xf32>, %a57: tensor<3x4xf32>, %a58: tensor<3x4xf32>, %a59: tensor<3x4xf32>, %a60: tensor<3x4xf32>, %a61: tensor<3x4xf32>, %a62: tensor<3x4xf32>, %a63: tensor<3x4xf32>, %a64: tensor<3x4xf32>, %a65: tensor<3x4xf32>, %a66: tensor<3x4xf32>):
    %67 = "stablehlo.constant"() {value = dense<2000.0> : tensor<f32>} : () -> tensor<f32>
    %68 = "stablehlo.compare"(%a54, %67) {comparison_direction = #stablehlo<comparison_direction LT>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<f32>, tensor<f32>) -> tensor<i1>
    %69 = "stablehlo.constant"() {value = dense<false> : tensor<i1>} : () -> tensor<i1>
    %73 = "stablehlo.reduce"(%a53, %69) ({
    ^bb0(%a70: tensor<i1>, %a71: tensor<i1>):
      %72 = "stablehlo.or"(%a70, %a71) : (tensor<i1>, tensor<i1>) -> tensor<i1>
      stablehlo.return %72 : tensor<i1>
    }) {dimensions = array<i64: 0, 1>} : (tensor<3x4xi1>, tensor<i1>) -> tensor<i1>
    %74 = "stablehlo.and"(%68, %73) : (tensor<i1>, tensor<i1>) -> tensor<i1>
    stablehlo.return %74 : tensor<i1>
  }, {
  ^bb0(%a75: tensor<3x4xi1>, %a76: tensor<f32>, %a77: tensor<3x4xf32>, %a78: tensor<3x4xf32>, %a79: tensor<3x4xf32>, %a80: tensor<3x4xf32>, %a81: tensor<3x4xf32>, %a82: tensor<3x4xf32>, %a83: tensor<3x4xf32>, %a84: tensor<3x4xf32>, %a85: tensor<3x4xf32>, %a86: tensor<3x4xf32>, %a87: tensor<3x4xf32>, %a88: tensor<3x4xf32>):
    %89 = "stablehlo.constant"() {value = dense<1.0> : tensor<f32>} : () -> tensor<f32>
    %90 = "stablehlo.add"(%a76, %89) : (tensor<f32>, tensor<f32>) -> tensor<f32>
    %91 = "stablehlo.constant"() {value = dense<1.0> : tensor<3x4xf32>} : () -> tensor<3x4xf32>
    %92 = "stablehlo.add"(%a78, %91) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %93 = "stablehlo.constant"() {value = dense<2.0> : tensor<3x4xf32>} : () -> tensor<3x4xf32>
    %94 = "stablehlo.add"(%a79, %93) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %95 = "stablehlo.broadcast_in_dim"(%90) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<3x4xf32>
    %96 = "stablehlo.multiply"(%92, %95) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %97 = "stablehlo.multiply"(%a80, %94) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %98 = "stablehlo.multiply"(%a82, %96) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %99 = "stablehlo.subtract"(%97, %98) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %100 = "stablehlo.multiply"(%a81, %94) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %101 = "stablehlo.multiply"(%a83, %96) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %102 = "stablehlo.subtract"(%100, %101) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %103 = "stablehlo.divide"(%99, %102) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %104 = "stablehlo.constant"() {value = dense<0.0> : tensor<f32>} : () -> tensor<f32>
    %105 = "stablehlo.broadcast_in_dim"(%104) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<3x4xf32>
    %106 = "stablehlo.compare"(%102, %105) {comparison_direction = #stablehlo<comparison_direction NE>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xi1>
    %107 = "stablehlo.subtract"(%a77, %103) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %108 = "stablehlo.divide"(%107, %103) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %109 = "stablehlo.abs"(%108) : (tensor<3x4xf32>) -> tensor<3x4xf32>
    %110 = "stablehlo.select"(%106, %109, %91) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %111 = "stablehlo.select"(%106, %103, %a77) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %112 = "stablehlo.multiply"(%a86, %94) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %113 = "stablehlo.subtract"(%112, %a80) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %114 = "stablehlo.multiply"(%a84, %96) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %115 = "stablehlo.subtract"(%113, %114) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %116 = "stablehlo.broadcast_in_dim"(%90) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<3x4xf32>
    %117 = "stablehlo.multiply"(%a82, %116) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %118 = "stablehlo.add"(%115, %117) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %119 = "stablehlo.multiply"(%a87, %94) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %120 = "stablehlo.subtract"(%119, %a81) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %121 = "stablehlo.multiply"(%a85, %96) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %122 = "stablehlo.subtract"(%120, %121) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %123 = "stablehlo.broadcast_in_dim"(%90) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<3x4xf32>
    %124 = "stablehlo.multiply"(%a83, %123) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %125 = "stablehlo.add"(%122, %124) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %126 = "stablehlo.multiply"(%111, %125) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %127 = "stablehlo.subtract"(%118, %126) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %128 = "stablehlo.divide"(%127, %102) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %129 = "stablehlo.select"(%106, %128, %a88) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %130 = "stablehlo.subtract"(%129, %a88) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %131 = "stablehlo.abs"(%130) : (tensor<3x4xf32>) -> tensor<3x4xf32>
    %132 = "stablehlo.select"(%106, %131, %91) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %133 = "stablehlo.abs"(%99) : (tensor<3x4xf32>) -> tensor<3x4xf32>
    %134 = "stablehlo.constant"() {value = dense<8388608.0> : tensor<f32>} : () -> tensor<f32>
    %135 = "stablehlo.broadcast_in_dim"(%134) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<3x4xf32>
    %136 = "stablehlo.compare"(%133, %135) {comparison_direction = #stablehlo<comparison_direction GT>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xi1>
    %137 = "stablehlo.constant"() {value = dense<1.1920929e-7> : tensor<3x4xf32>} : () -> tensor<3x4xf32>
    %138 = "stablehlo.multiply"(%a80, %137) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %139 = "stablehlo.select"(%136, %138, %a80) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %140 = "stablehlo.multiply"(%99, %137) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %141 = "stablehlo.select"(%136, %140, %99) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %142 = "stablehlo.multiply"(%a81, %137) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %143 = "stablehlo.select"(%136, %142, %a81) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %144 = "stablehlo.multiply"(%102, %137) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %145 = "stablehlo.select"(%136, %144, %102) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %146 = "stablehlo.multiply"(%a86, %137) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %147 = "stablehlo.select"(%136, %146, %a86) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %148 = "stablehlo.multiply"(%a87, %137) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %149 = "stablehlo.select"(%136, %148, %a87) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %150 = "stablehlo.multiply"(%118, %137) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %151 = "stablehlo.select"(%136, %150, %118) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %152 = "stablehlo.multiply"(%125, %137) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %153 = "stablehlo.select"(%136, %152, %125) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %154 = "stablehlo.constant"() {value = dense<1.1920929e-7> : tensor<f32>} : () -> tensor<f32>
    %155 = "stablehlo.broadcast_in_dim"(%154) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<3x4xf32>
    %156 = "stablehlo.compare"(%110, %155) {comparison_direction = #stablehlo<comparison_direction GT>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xi1>
    %157 = "stablehlo.and"(%a75, %156) : (tensor<3x4xi1>, tensor<3x4xi1>) -> tensor<3x4xi1>
    %158 = "stablehlo.select"(%a75, %111, %a77) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %159 = "stablehlo.select"(%a75, %92, %a78) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %160 = "stablehlo.select"(%a75, %94, %a79) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %161 = "stablehlo.select"(%a75, %141, %a80) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %162 = "stablehlo.select"(%a75, %145, %a81) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %163 = "stablehlo.select"(%a75, %139, %a82) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %164 = "stablehlo.select"(%a75, %143, %a83) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %165 = "stablehlo.select"(%a75, %147, %a84) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %166 = "stablehlo.select"(%a75, %149, %a85) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %167 = "stablehlo.select"(%a75, %151, %a86) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %168 = "stablehlo.select"(%a75, %153, %a87) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %169 = "stablehlo.select"(%a75, %129, %a88) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    stablehlo.return %157, %90, %158, %159, %160, %161, %162, %163, %164, %165, %166, %167, %168, %169 : tensor<3x4xi1>, tensor<f32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>
  }) : (tensor<3x4xi1>, tensor<f32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>) -> (tensor<3x4xi1>, tensor<f32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>)
  %171 = "stablehlo.multiply"(%170#2, %29) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %172 = "stablehlo.subtract"(%41, %171) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %173 = "stablehlo.not"(%23) : (tensor<3x4xi1>) -> tensor<3x4xi1>
  %174 = "stablehlo.and"(%38, %173) : (tensor<3x4xi1>, tensor<3x4xi1>) -> tensor<3x4xi1>
  %216:7 = "stablehlo.while"(%arg1, %174, %arg0, %41, %41, %40, %40) ({
  ^bb0(%a175: tensor<3x4xf32>, %a176: tensor<3x4xi1>, %a177: tensor<3x4xf32>, %a178: tensor<3x4xf32>, %a179: tensor<3x4xf32>, %a180: tensor<3x4xf32>, %a181: tensor<3x4xf32>):
    %182 = "stablehlo.constant"() {value = dense<false> : tensor<i1>} : () -> tensor<i1>
    %186 = "stablehlo.reduce"(%a176, %182) ({
    ^bb0(%a183: tensor<i1>, %a184: tensor<i1>):
      %185 = "stablehlo.or"(%a183, %a184) : (tensor<i1>, tensor<i1>) -> tensor<i1>
      stablehlo.return %185 : tensor<i1>
    }) {dimensions = array<i64: 0, 1>} : (tensor<3x4xi1>, tensor<i1>) -> tensor<i1>
    stablehlo.return %186 : tensor<i1>
  }, {
  ^bb0(%a187: tensor<3x4xf32>, %a188: tensor<3x4xi1>, %a189: tensor<3x4xf32>, %a190: tensor<3x4xf32>, %a191: tensor<3x4xf32>, %a192: tensor<3x4xf32>, %a193: tensor<3x4xf32>):
    %194 = "stablehlo.constant"() {value = dense<1.0> : tensor<3x4xf32>} : () -> tensor<3x4xf32>
    %195 = "stablehlo.add"(%a189, %194) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %196 = "stablehlo.divide"(%a187, %195) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %197 = "stablehlo.multiply"(%a192, %196) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %198 = "stablehlo.multiply"(%a190, %a187) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %199 = "stablehlo.multiply"(%195, %195) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %200 = "stablehlo.divide"(%198, %199) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %201 = "stablehlo.subtract"(%197, %200) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %202 = "stablehlo.add"(%a193, %201) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %203 = "stablehlo.divide"(%a187, %195) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %204 = "stablehlo.multiply"(%a190, %203) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %205 = "stablehlo.add"(%a191, %204) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %206 = "stablehlo.divide"(%204, %205) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %207 = "stablehlo.constant"() {value = dense<1.1920929e-7> : tensor<f32>} : () -> tensor<f32>
    %208 = "stablehlo.broadcast_in_dim"(%207) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<3x4xf32>
    %209 = "stablehlo.compare"(%206, %208) {comparison_direction = #stablehlo<comparison_direction GT>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xi1>
    %210 = "stablehlo.and"(%a188, %209) : (tensor<3x4xi1>, tensor<3x4xi1>) -> tensor<3x4xi1>
    %211 = "stablehlo.select"(%a188, %195, %a189) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %212 = "stablehlo.select"(%a188, %204, %a190) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %213 = "stablehlo.select"(%a188, %205, %a191) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %214 = "stablehlo.select"(%a188, %201, %a192) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %215 = "stablehlo.select"(%a188, %202, %a193) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    stablehlo.return %a187, %210, %211, %212, %213, %214, %215 : tensor<3x4xf32>, tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>
  }) : (tensor<3x4xf32>, tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>) -> (tensor<3x4xf32>, tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>)
  %217 = "stablehlo.multiply"(%216#4, %29) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %218 = "stablehlo.divide"(%217, %arg0) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %219 = "stablehlo.select"(%23, %172, %218) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %220 = "stablehlo.broadcast_in_dim"(%3) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<3x4xf32>
  %221 = "stablehlo.compare"(%arg1, %220) {comparison_direction = #stablehlo<comparison_direction EQ>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xi1>
  %222 = "stablehlo.select"(%221, %40, %219) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %223 = "stablehlo.select"(%2, %41, %222) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %224 = "stablehlo.constant"() {value = dense<0x7FC00000> : tensor<3x4xf32>} : () -> tensor<3x4xf32>
  %225 = "stablehlo.select"(%18, %224, %223) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  return %225 : tensor<3x4xf32>
}
}
