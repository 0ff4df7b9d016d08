// igammac of f32: values
module @main {
func.func public @main(%arg0: tensor<3x4xf32>, %arg1: tensor<3x4xf32>) -> (tensor<3x4xf32>) {
  %0 = "stablehlo.constant"() {value = dense<0x7F800000> : tensor<f32>} : () -> tensor<f32>
  %1 = "stablehlo.broadcast_in_dim"(%0) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<3x4xf32>
  %2 = "stablehlo.compare"(%arg1, %1) {comparison_direction = #stablehlo<comparison_direction EQ>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xi1>
  %3 = "stablehlo.constant"() {value = dense<0.0> : tensor<f32>} : () -> tensor<f32>
  %4 = "stablehlo.broadcast_in_dim"(%3) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<3x4xf32>
  %5 = "stablehlo.compare"(%arg0, %4) {comparison_direction = #stablehlo<comparison_direction EQ>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xi1>
  %6 = "stablehlo.or"(%2, %5) : (tensor<3x4xi1>, tensor<3x4xi1>) -> tensor<3x4xi1>
  %7 = "stablehlo.broadcast_in_dim"(%3) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<3x4xf32>
  %8 = "stablehlo.compare"(%arg1, %7) {comparison_direction = #stablehlo<comparison_direction LT>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xi1>
  %9 = "stablehlo.broadcast_in_dim"(%3) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<3x4xf32>
  %10 = "stablehlo.compare"(%arg0, %9) {comparison_direction = #stablehlo<comparison_direction LT>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xi1>
  %11 = "stablehlo.or"(%8, %10) : (tensor<3x4xi1>, tensor<3x4xi1>) -> tensor<3x4xi1>
  %12 = "stablehlo.broadcast_in_dim"(%3) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<3x4xf32>
  %13 = "stablehlo.compare"(%arg0, %12) {comparison_direction = #stablehlo<comparison_direction EQ>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xi1>
  %14 = "stablehlo.broadcast_in_dim"(%3) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<3x4xf32>
  %15 = "stablehlo.compare"(%arg1, %14) {comparison_direction = #stablehlo<comparison_direction EQ>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xi1>
  %16 = "stablehlo.and"(%13, %15) : (tensor<3x4xi1>, tensor<3x4xi1>) -> tensor<3x4xi1>
  %17 = "stablehlo.or"(%11, %16) : (tensor<3x4xi1>, tensor<3x4xi1>) -> tensor<3x4xi1>
  %18 = "stablehlo.compare"(%arg0, %arg0) {comparison_direction = #stablehlo<comparison_direction NE>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xi1>
  %19 = "stablehlo.or"(%17, %18) : (tensor<3x4xi1>, tensor<3x4xi1>) -> tensor<3x4xi1>
  %20 = "stablehlo.compare"(%arg1, %arg1) {comparison_direction = #stablehlo<comparison_direction NE>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xi1>
  %21 = "stablehlo.or"(%19, %20) : (tensor<3x4xi1>, tensor<3x4xi1>) -> tensor<3x4xi1>
  %22 = "stablehlo.constant"() {value = dense<1.0> : tensor<f32>} : () -> tensor<f32>
  %23 = "stablehlo.broadcast_in_dim"(%22) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<3x4xf32>
  %24 = "stablehlo.compare"(%arg1, %23) {comparison_direction = #stablehlo<comparison_direction LT>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xi1>
  %25 = "stablehlo.compare"(%arg1, %arg0) {comparison_direction = #stablehlo<comparison_direction LT>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xi1>
  %26 = "stablehlo.or"(%24, %25) : (tensor<3x4xi1>, tensor<3x4xi1>) -> tensor<3x4xi1>
  %27 = "stablehlo.log"(%arg1) : (tensor<3x4xf32>) -> tensor<3x4xf32>
  %28 = "stablehlo.multiply"(%arg0, %27) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %29 = "stablehlo.subtract"(%28, %arg1) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %30 = "chlo.lgamma"(%arg0) : (tensor<3x4xf32>) -> tensor<3x4xf32>
  %31 = "stablehlo.subtract"(%29, %30) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %32 = "stablehlo.exponential"(%31) : (tensor<3x4xf32>) -> tensor<3x4xf32>
  %33 = "stablehlo.constant"() {value = dense<-88.72284> : tensor<f32>} : () -> tensor<f32>
  %34 = "stablehlo.broadcast_in_dim"(%33) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<3x4xf32>
  %35 = "stablehlo.compare"(%31, %34) {comparison_direction = #stablehlo<comparison_direction LT>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xi1>
  %36 = "stablehlo.or"(%21, %35) : (tensor<3x4xi1>, tensor<3x4xi1>) -> tensor<3x4xi1>
  %37 = "stablehlo.or"(%36, %6) : (tensor<3x4xi1>, tensor<3x4xi1>) -> tensor<3x4xi1>
  %38 = "stablehlo.not"(%37) : (tensor<3x4xi1>) -> tensor<3x4xi1>
  %39 = "stablehlo.and"(%38, %26) : (tensor<3x4xi1>, tensor<3x4xi1>) -> tensor<3x4xi1>
  %40 = "stablehlo.constant"() {value = dense<0.0> : tensor<3x4xf32>} : () -> tensor<3x4xf32>
  %41 = "stablehlo.constant"() {value = dense<1.0> : tensor<3x4xf32>} : () -> tensor<3x4xf32>
  %83:7 = "stablehlo.while"(%arg1, %39, %arg0, %41, %41, %40, %40) ({
  ^bb0(%a42: tensor<3x4xf32>, %a43: tensor<3x4xi1>, %a44: tensor<3x4xf32>, %a45: tensor<3x4xf32>, %a46: tensor<3x4xf32>, %a47: tensor<3x4xf32>, %a48: tensor<3x4xf32>):
    %49 = "stablehlo.constant"() {value = dense<false> : tensor<i1>} : () -> tensor<i1>
    %53 = "stablehlo.reduce"(%a43, %49) ({
    ^bb0(%a50: tensor<i1>, %a51: tensor<i1>):
      %52 = "stablehlo.or"(%a50, %a51) : (tensor<i1>, tensor<i1>) -> tensor<i1>
      stablehlo.return %52 : tensor<i1>
    }) {dimensions = array<i64: 0, 1>} : (tensor<3x4xi1>, tensor<i1>) -> tensor<i1>
    stablehlo.return %53 : tensor<i1>
  }, {
  ^bb0(%a54: tensor<3x4xf32>, %a55: tensor<3x4xi1>, %a56: tensor<3x4xf32>, %a57: tensor<3x4xf32>, %a58: tensor<3x4xf32>, %a59: tensor<3x4xf32>, %a60: tensor<3x4xf32>):
    %61 = "stablehlo.constant"() {value = dense<1.0> : tensor<3x4xf32>} : () -> tensor<3x4xf32>
    %62 = "stablehlo.add"(%a56, %61) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %63 = "stablehlo.divide"(%a54, %62) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %64 = "stablehlo.multiply"(%a59, %63) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %65 = "stablehlo.multiply"(%a57, %a54) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %66 = "stablehlo.multiply"(%62, %62) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %67 = "stablehlo.divide"(%65, %66) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %68 = "stablehlo.subtract"(%64, %67) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %69 = "stablehlo.add"(%a60, %68) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %70 = "stablehlo.divide"(%a54, %62) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %71 = "stablehlo.multiply"(%a57, %70) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %72 = "stablehlo.add"(%a58, %71) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %73 = "stablehlo.divide"(%71, %72) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %74 = "stablehlo.constant"() {value = dense<1.1920929e-7> : tensor<f32>} : () -> tensor<f32>
    %75 = "stablehlo.broadcast_in_dim"(%74) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<3x4xf32>
    %76 = "stablehlo.compare"(%73, %75) {comparison_direction = #stablehlo<comparison_direction GT>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xi1>
    %77 = "stablehlo.and"(%a55, %76) : (tensor<3x4xi1>, tensor<3x4xi1>) -> tensor<3x4xi1>
    %78 = "stablehlo.select"(%a55, %62, %a56) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %79 = "stablehlo.select"(%a55, %71, %a57) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %80 = "stablehlo.select"(%a55, %72, %a58) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %81 = "stablehlo.select"(%a55, %68, %a59) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %82 = "stablehlo.select"(%a55, %69, %a60) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    stablehlo.return %a54, %77, %78, %79, %80, %81, %82 : tensor<3x4xf32>, tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>
  }) : (tensor<3x4xf32>, tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>) -> (tensor<3x4xf32>, tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>)
  %84 = "stablehlo.multiply"(%83#4, %32) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %85 = "stablehlo.divide"(%84, %arg0) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %86 = "stablehlo.subtract"(%41, %85) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %87 = "stablehlo.not"(%26) : (tensor<3x4xi1>) -> tensor<3x4xi1>
  %88 = "stablehlo.and"(%38, %87) : (tensor<3x4xi1>, tensor<3x4xi1>) -> tensor<3x4xi1>
  %89 = "stablehlo.subtract"(%41, %arg0) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %90 = "stablehlo.add"(%arg1, %89) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %91 = "stablehlo.add"(%90, %41) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %92 = "stablehlo.add"(%arg1, %41) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %93 = "stablehlo.multiply"(%91, %arg1) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %94 = "stablehlo.divide"(%92, %93) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %95 = "stablehlo.negate"(%arg1) : (tensor<3x4xf32>) -> tensor<3x4xf32>
  %96 = "stablehlo.multiply"(%94, %95) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %97 = "stablehlo.subtract"(%40, %96) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %98 = "stablehlo.divide"(%97, %93) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %99 = "stablehlo.negate"(%arg1) : (tensor<3x4xf32>) -> tensor<3x4xf32>
  %217:14 = "stablehlo.while"(%88, %3, %94, %89, %91, %92, %93, %41, %arg1, %40, %40, %40, %99, %98) ({
  ^bb0(%a100: tensor<3x4xi1>, %a101: tensor<f32>, %a102: tensor<3x4xf32>, %a103: tensor<3x4xf32>, %a104: tensor<3x4xf32>, %a105: tensor<3x4xf32>, %a106: tensor<3x4xf32>, %a107: tensor<3x4xf32>, %a108: tensor<3x4xf32>, %a109: tensor<3x4xf32>, %a110: tensor<3x4xf32>, %a111: tensor<3x4xf32>, %a112: tensor<3x4xf32>, %a113: tensor<3x4xf32>):
    %114 = "stablehlo.constant"() {value = dense<2000.0> : tensor<f32>} : () -> tensor<f32>
    %115 = "stablehlo.compare"(%a101, %114) {comparison_direction = #stablehlo<comparison_direction LT>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<f32>, tensor<f32>) -> tensor<i1>
    %116 = "stablehlo.constant"() {value = dense<false> : tensor<i1>} : () -> tensor<i1>
    %120 = "stablehlo.reduce"(%a100, %116) ({
    ^bb0(%a117: tensor<i1>, %a118: tensor<i1>):
      %119 = "stablehlo.or"(%a117, %a118) : (tensor<i1>, tensor<i1>) -> tensor<i1>
      stablehlo.return %119 : tensor<i1>
    }) {dimensions = array<i64: 0, 1>} : (tensor<3x4xi1>, tensor<i1>) -> tensor<i1>
    %121 = "stablehlo.and"(%115, %120) : (tensor<i1>, tensor<i1>) -> tensor<i1>
    stablehlo.return %121 : tensor<i1>
  }, {
  ^bb0(%a122: tensor<3x4xi1>, %a123: tensor<f32>, %a124: tensor<3x4xf32>, %a125: tensor<3x4xf32>, %a126: tensor<3x4xf32>, %a127: tensor<3x4xf32>, %a128: tensor<3x4xf32>, %a129: tensor<3x4xf32>, %a130: tensor<3x4xf32>, %a131: tensor<3x4xf32>, %a132: tensor<3x4xf32>, %a133: tensor<3x4xf32>, %a134: tensor<3x4xf32>, %a135: tensor<3x4xf32>):
    %136 = "stablehlo.constant"() {value = dense<1.0> : tensor<f32>} : () -> tensor<f32>
    %137 = "stablehlo.add"(%a123, %136) : (tensor<f32>, tensor<f32>) -> tensor<f32>
    %138 = "stablehlo.constant"() {value = dense<1.0> : tensor<3x4xf32>} : () -> tensor<3x4xf32>
    %139 = "stablehlo.add"(%a125, %138) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %140 = "stablehlo.constant"() {value = dense<2.0> : tensor<3x4xf32>} : () -> tensor<3x4xf32>
    %141 = "stablehlo.add"(%a126, %140) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %142 = "stablehlo.broadcast_in_dim"(%137) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<3x4xf32>
    %143 = "stablehlo.multiply"(%139, %142) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %144 = "stablehlo.multiply"(%a127, %141) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %145 = "stablehlo.multiply"(%a129, %143) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %146 = "stablehlo.subtract"(%144, %145) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %147 = "stablehlo.multiply"(%a128, %141) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %148 = "stablehlo.multiply"(%a130, %143) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %149 = "stablehlo.subtract"(%147, %148) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %150 = "stablehlo.divide"(%146, %149) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %151 = "stablehlo.constant"() {value = dense<0.0> : tensor<f32>} : () -> tensor<f32>
    %152 = "stablehlo.broadcast_in_dim"(%151) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<3x4xf32>
    %153 = "stablehlo.compare"(%149, %152) {comparison_direction = #stablehlo<comparison_direction NE>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xi1>
    %154 = "stablehlo.subtract"(%a124, %150) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %155 = "stablehlo.divide"(%154, %150) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %156 = "stablehlo.abs"(%155) : (tensor<3x4xf32>) -> tensor<3x4xf32>
    %157 = "stablehlo.select"(%153, %156, %138) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %158 = "stablehlo.select"(%153, %150, %a124) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %159 = "stablehlo.multiply"(%a133, %141) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %160 = "stablehlo.subtract"(%159, %a127) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %161 = "stablehlo.multiply"(%a131, %143) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %162 = "stablehlo.subtract"(%160, %161) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %163 = "stablehlo.broadcast_in_dim"(%137) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<3x4xf32>
    %164 = "stablehlo.multiply"(%a129, %163) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %165 = "stablehlo.add"(%162, %164) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %166 = "stablehlo.multiply"(%a134, %141) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %167 = "stablehlo.subtract"(%166, %a128) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %168 = "stablehlo.multiply"(%a132, %143) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %169 = "stablehlo.subtract"(%167, %168) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %170 = "stablehlo.broadcast_in_dim"(%137) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<3x4xf32>
    %171 = "stablehlo.multiply"(%a130, %170) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %172 = "stablehlo.add"(%169, %171) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %173 = "stablehlo.multiply"(%158, %172) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %174 = "stablehlo.subtract"(%165, %173) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %175 = "stablehlo.divide"(%174, %149) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %176 = "stablehlo.select"(%153, %175, %a135) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %177 = "stablehlo.subtract"(%176, %a135) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %178 = "stablehlo.abs"(%177) : (tensor<3x4xf32>) -> tensor<3x4xf32>
    %179 = "stablehlo.select"(%153, %178, %138) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %180 = "stablehlo.abs"(%146) : (tensor<3x4xf32>) -> tensor<3x4xf32>
    %181 = "stablehlo.constant"() {value = dense<8388608.0> : tensor<f32>} : () -> tensor<f32>
    %182 = "stablehlo.broadcast_in_dim"(%181) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<3x4xf32>
    %183 = "stablehlo.compare"(%180, %182) {comparison_direction = #stablehlo<comparison_direction GT>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xi1>
    %184 = "stablehlo.constant"() {value = dense<1.1920929e-7> : tensor<3x4xf32>} : () -> tensor<3x4xf32>
    %185 = "stablehlo.multiply"(%a127, %184) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %186 = "stablehlo.select"(%183, %185, %a127) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %187 = "stablehlo.multiply"(%146, %184) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %188 = "stablehlo.select"(%183, %187, %146) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %189 = "stablehlo.multiply"(%a128, %184) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %190 = "stablehlo.select"(%183, %189, %a128) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %191 = "stablehlo.multiply"(%149, %184) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %192 = "stablehlo.select"(%183, %191, %149) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %193 = "stablehlo.multiply"(%a133, %184) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %194 = "stablehlo.select"(%183, %193, %a133) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %195 = "stablehlo.multiply"(%a134, %184) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %196 = "stablehlo.select"(%183, %195, %a134) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %197 = "stablehlo.multiply"(%165, %184) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %198 = "stablehlo.select"(%183, %197, %165) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %199 = "stablehlo.multiply"(%172, %184) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %200 = "stablehlo.select"(%183, %199, %172) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %201 = "stablehlo.constant"() {value = dense<1.1920929e-7> : tensor<f32>} : () -> tensor<f32>
    %202 = "stablehlo.broadcast_in_dim"(%201) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<3x4xf32>
    %203 = "stablehlo.compare"(%157, %202) {comparison_direction = #stablehlo<comparison_direction GT>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xi1>
    %204 = "stablehlo.and"(%a122, %203) : (tensor<3x4xi1>, tensor<3x4xi1>) -> tensor<3x4xi1>
    %205 = "stablehlo.select"(%a122, %158, %a124) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %206 = "stablehlo.select"(%a122, %139, %a125) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %207 = "stablehlo.select"(%a122, %141, %a126) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %208 = "stablehlo.select"(%a122, %188, %a127) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %209 = "stablehlo.select"(%a122, %192, %a128) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %210 = "stablehlo.select"(%a122, %186, %a129) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %211 = "stablehlo.select"(%a122, %190, %a130) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %212 = "stablehlo.select"(%a122, %194, %a131) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %213 = "stablehlo.select"(%a122, %196, %a132) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %214 = "stablehlo.select"(%a122, %198, %a133) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %215 = "stablehlo.select"(%a122, %200, %a134) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %216 = "stablehlo.select"(%a122, %176, %a135) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    stablehlo.return %204, %137, %205, %206, %207, %208, %209, %210, %211, %212, %213, %214, %215, %216 : tensor<3x4xi1>, tensor<f32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>
  }) : (tensor<3x4xi1>, tensor<f32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>) -> (tensor<3x4xi1>, tensor<f32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>)
  %218 = "stablehlo.multiply"(%217#2, %32) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %219 = "stablehlo.select"(%26, %86, %218) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %220 = "stablehlo.constant"() {value = dense<0x7FC00000> : tensor<3x4xf32>} : () -> tensor<3x4xf32>
  %221 = "stablehlo.select"(%6, %40, %219) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %222 = "stablehlo.select"(%21, %220, %221) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  return %222 : tensor<3x4xf32>
}
}
