// random_gamma_grad of f32: values
module @main {
func.func public @main(%arg0: tensor<3x4xf32>, %arg1: tensor<3x4xf32>) -> (tensor<3x4xf32>) {
  %0 = "stablehlo.constant"() {value = dense<0.0> : tensor<f32>} : () -> tensor<f32>
  %1 = "stablehlo.broadcast_in_dim"(%0) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<3x4xf32>
  %2 = "stablehlo.compare"(%arg1, %1) {comparison_direction = #stablehlo<comparison_direction LT>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xi1>
  %3 = "stablehlo.broadcast_in_dim"(%0) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<3x4xf32>
  %4 = "stablehlo.compare"(%arg0, %3) {comparison_direction = #stablehlo<comparison_direction LE>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xi1>
  %5 = "stablehlo.or"(%2, %4) : (tensor<3x4xi1>, tensor<3x4xi1>) -> tensor<3x4xi1>
  %6 = "stablehlo.compare"(%arg0, %arg0) {comparison_direction = #stablehlo<comparison_direction NE>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xi1>
  %7 = "stablehlo.or"(%5, %6) : (tensor<3x4xi1>, tensor<3x4xi1>) -> tensor<3x4xi1>
  %8 = "stablehlo.compare"(%arg1, %arg1) {comparison_direction = #stablehlo<comparison_direction NE>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xi1>
  %9 = "stablehlo.or"(%7, %8) : (tensor<3x4xi1>, tensor<3x4xi1>) -> tensor<3x4xi1>
  %10 = "stablehlo.constant"() {value = dense<1.0> : tensor<f32>} : () -> tensor<f32>
  %11 = "stablehlo.broadcast_in_dim"(%10) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<3x4xf32>
  %12 = "stablehlo.compare"(%arg1, %11) {comparison_direction = #stablehlo<comparison_direction GT>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xi1>
  %13 = "stablehlo.compare"(%arg1, %arg0) {comparison_direction = #stablehlo<comparison_direction GT>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xi1>
  %14 = "stablehlo.and"(%12, %13) : (tensor<3x4xi1>, tensor<3x4xi1>) -> tensor<3x4xi1>
  %15 = "stablehlo.log"(%arg1) : (tensor<3x4xf32>) -> tensor<3x4xf32>
  %16 = "stablehlo.multiply"(%arg0, %15) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %17 = "stablehlo.subtract"(%16, %arg1) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %18 = "chlo.lgamma"(%arg0) : (tensor<3x4xf32>) -> tensor<3x4xf32>
  %19 = "stablehlo.subtract"(%17, %18) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %20 = "stablehlo.exponential"(%19) : (tensor<3x4xf32>) -> tensor<3x4xf32>
  %21 = "stablehlo.constant"() {value = dense<-88.72284> : tensor<f32>} : () -> tensor<f32>
  %22 = "stablehlo.broadcast_in_dim"(%21) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<3x4xf32>
  %23 = "stablehlo.compare"(%19, %22) {comparison_direction = #stablehlo<comparison_direction LT>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xi1>
  %24 = "stablehlo.broadcast_in_dim"(%0) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<3x4xf32>
  %25 = "stablehlo.compare"(%arg1, %24) {comparison_direction = #stablehlo<comparison_direction EQ>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xi1>
  %26 = "stablehlo.or"(%25, %9) : (tensor<3x4xi1>, tensor<3x4xi1>) -> tensor<3x4xi1>
  %27 = "stablehlo.or"(%26, %23) : (tensor<3x4xi1>, tensor<3x4xi1>) -> tensor<3x4xi1>
  %28 = "stablehlo.not"(%27) : (tensor<3x4xi1>) -> tensor<3x4xi1>
  %29 = "stablehlo.and"(%28, %14) : (tensor<3x4xi1>, tensor<3x4xi1>) -> tensor<3x4xi1>
  %30 = "stablehlo.constant"() {value = dense<0.0> : tensor<3x4xf32>} : () -> tensor<3x4xf32>
  %31 = "stablehlo.constant"() {value = dense<1.0> : tensor<3x4xf32>} : () -> tensor<3x4xf32>
  %32 = "stablehlo.subtract"(%31, %arg0) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %33 = "stablehlo.add"(%arg1, %32) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %34 = "stablehlo.add"(%33, %31) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %35 = "stablehlo.add"(%arg1, %31) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %36 = "stablehlo.multiply"(%34, %arg1) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %37 = "stablehlo.divide"(%35, %36) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %38 = "stablehlo.negate"(%arg1) : (tensor<3x4xf32>) -> tensor<3x4xf32>
  %39 = "stablehlo.multiply"(%37, %38) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %40 = "stablehlo.subtract"(%30, %39) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %41 = "stablehlo.divide"(%40, %36) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %42 = "stablehlo.negate"(%arg1) : (tensor<3x4xf32>) -> tensor<3x4xf32>
  %160:14 = "stablehlo.while"(%29, %0, %37, %32, %34, %35, %36, %31, %arg1, %30, %30, %30, %42, %41) ({
  ^bb0(%a43: tensor<3x4xi1>, %a44: tensor<f32>, %a45: tensor<3x4xf32>, %a46: tensor<3x4xf32>, %a47: tensor<3x4xf32>, %a48: tensor<3x4xf32>, %a49: tensor<3x4xf32>, %a50: tensor<3x4xf32>, %a51: tensor<3x4xf32>, %a52: tensor<3x4xf32>, %a53: tensor<3x4xf32>, %a54: tensor<3x4xf32>, %a55: tensor<3x4xf32>, %a56: tensor<3x4xf32>):
    %57 = "stablehlo.constant"() {value = dense<2000.0> : tensor<f32>} : () -> tensor<f32>
    %58 = "stablehlo.compare"(%a44, %57) {comparison_direction = #stablehlo<comparison_direction LT>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<f32>, tensor<f32>) -> tensor<i1>
    %59 = "stablehlo.constant"() {value = dense<false> : tensor<i1>} : () -> tensor<i1>
    %63 = "stablehlo.reduce"(%a43, %59) ({
    ^bb0(%a60: tensor<i1>, %a61: tensor<i1>):
      %62 = "stablehlo.or"(%a60, %a61) : (tensor<i1>, tensor<i1>) -> tensor<i1>
      stablehlo.return %62 : tensor<i1>
    }) {dimensions = array<i64: 0, 1>} : (tensor<3x4xi1>, tensor<i1>) -> tensor<i1>
    %64 = "stablehlo.and"(%58, %63) : (tensor<i1>, tensor<i1>) -> tensor<i1>
    stablehlo.return %64 : tensor<i1>
  }, {
  ^bb0(%a65: tensor<3x4xi1>, %a66: tensor<f32>, %a67: tensor<3x4xf32>, %a68: tensor<3x4xf32>, %a69: tensor<3x4xf32>, %a70: tensor<3x4xf32>, %a71: tensor<3x4xf32>, %a72: tensor<3x4xf32>, %a73: tensor<3x4xf32>, %a74: tensor<3x4xf32>, %a75: tensor<3x4xf32>, %a76: tensor<3x4xf32>, %a77: tensor<3x4xf32>, %a78: tensor<3x4xf32>):
    %79 = "stablehlo.constant"() {value = dense<1.0> : tensor<f32>} : () -> tensor<f32>
    %80 = "stablehlo.add"(%a66, %79) : (tensor<f32>, tensor<f32>) -> tensor<f32>
    %81 = "stablehlo.constant"() {value = dense<1.0> : tensor<3x4xf32>} : () -> tensor<3x4xf32>
    %82 = "stablehlo.add"(%a68, %81) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %83 = "stablehlo.constant"() {value = dense<2.0> : tensor<3x4xf32>} : () -> tensor<3x4xf32>
    %84 = "stablehlo.add"(%a69, %83) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %85 = "stablehlo.broadcast_in_dim"(%80) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<3x4xf32>
    %86 = "stablehlo.multiply"(%82, %85) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %87 = "stablehlo.multiply"(%a70, %84) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %88 = "stablehlo.multiply"(%a72, %86) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %89 = "stablehlo.subtract"(%87, %88) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %90 = "stablehlo.multiply"(%a71, %84) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %91 = "stablehlo.multiply"(%a73, %86) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %92 = "stablehlo.subtract"(%90, %91) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %93 = "stablehlo.divide"(%89, %92) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %94 = "stablehlo.constant"() {value = dense<0.0> : tensor<f32>} : () -> tensor<f32>
    %95 = "stablehlo.broadcast_in_dim"(%94) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<3x4xf32>
    %96 = "stablehlo.compare"(%92, %95) {comparison_direction = #stablehlo<comparison_direction NE>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xi1>
    %97 = "stablehlo.subtract"(%a67, %93) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %98 = "stablehlo.divide"(%97, %93) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %99 = "stablehlo.abs"(%98) : (tensor<3x4xf32>) -> tensor<3x4xf32>
    %100 = "stablehlo.select"(%96, %99, %81) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %101 = "stablehlo.select"(%96, %93, %a67) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %102 = "stablehlo.multiply"(%a76, %84) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %103 = "stablehlo.subtract"(%102, %a70) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %104 = "stablehlo.multiply"(%a74, %86) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %105 = "stablehlo.subtract"(%103, %104) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %106 = "stablehlo.broadcast_in_dim"(%80) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<3x4xf32>
    %107 = "stablehlo.multiply"(%a72, %106) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %108 = "stablehlo.add"(%105, %107) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %109 = "stablehlo.multiply"(%a77, %84) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %110 = "stablehlo.subtract"(%109, %a71) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %111 = "stablehlo.multiply"(%a75, %86) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %112 = "stablehlo.subtract"(%110, %111) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %113 = "stablehlo.broadcast_in_dim"(%80) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<3x4xf32>
    %114 = "stablehlo.multiply"(%a73, %113) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %115 = "stablehlo.add"(%112, %114) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %116 = "stablehlo.multiply"(%101, %115) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %117 = "stablehlo.subtract"(%108, %116) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %118 = "stablehlo.divide"(%117, %92) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %119 = "stablehlo.select"(%96, %118, %a78) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %120 = "stablehlo.subtract"(%119, %a78) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %121 = "stablehlo.abs"(%120) : (tensor<3x4xf32>) -> tensor<3x4xf32>
    %122 = "stablehlo.select"(%96, %121, %81) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %123 = "stablehlo.abs"(%89) : (tensor<3x4xf32>) -> tensor<3x4xf32>
    %124 = "stablehlo.constant"() {value = dense<8388608.0> : tensor<f32>} : () -> tensor<f32>
    %125 = "stablehlo.broadcast_in_dim"(%124) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<3x4xf32>
    %126 = "stablehlo.compare"(%123, %125) {comparison_direction = #stablehlo<comparison_direction GT>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xi1>
    %127 = "stablehlo.constant"() {value = dense<1.1920929e-7> : tensor<3x4xf32>} : () -> tensor<3x4xf32>
    %128 = "stablehlo.multiply"(%a70, %127) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %129 = "stablehlo.select"(%126, %128, %a70) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %130 = "stablehlo.multiply"(%89, %127) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %131 = "stablehlo.select"(%126, %130, %89) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %132 = "stablehlo.multiply"(%a71, %127) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %133 = "stablehlo.select"(%126, %132, %a71) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %134 = "stablehlo.multiply"(%92, %127) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %135 = "stablehlo.select"(%126, %134, %92) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %136 = "stablehlo.multiply"(%a76, %127) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %137 = "stablehlo.select"(%126, %136, %a76) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %138 = "stablehlo.multiply"(%a77, %127) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %139 = "stablehlo.select"(%126, %138, %a77) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %140 = "stablehlo.multiply"(%108, %127) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %141 = "stablehlo.select"(%126, %140, %108) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %142 = "stablehlo.multiply"(%115, %127) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %143 = "stablehlo.select"(%126, %142, %115) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %144 = "stablehlo.constant"() {value = dense<1.1920929e-7> : tensor<f32>} : () -> tensor<f32>
    %145 = "stablehlo.broadcast_in_dim"(%144) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<3x4xf32>
    %146 = "stablehlo.compare"(%122, %145) {comparison_direction = #stablehlo<comparison_direction GT>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xi1>
    %147 = "stablehlo.and"(%a65, %146) : (tensor<3x4xi1>, tensor<3x4xi1>) -> tensor<3x4xi1>
    %148 = "stablehlo.select"(%a65, %101, %a67) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %149 = "stablehlo.select"(%a65, %82, %a68) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %150 = "stablehlo.select"(%a65, %84, %a69) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %151 = "stablehlo.select"(%a65, %131, %a70) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %152 = "stablehlo.select"(%a65, %135, %a71) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %153 = "stablehlo.select"(%a65, %129, %a72) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %154 = "stablehlo.select"(%a65, %133, %a73) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %155 = "stablehlo.select"(%a65, %137, %a74) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %156 = "stablehlo.select"(%a65, %139, %a75) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %157 = "stablehlo.select"(%a65, %141, %a76) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %158 = "stablehlo.select"(%a65, %143, %a77) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %159 = "stablehlo.select"(%a65, %119, %a78) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    stablehlo.return %147, %80, %148, %149, %150, %151, %152, %153, %154, %155, %156, %157, %158, %159 : tensor<3x4xi1>, tensor<f32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>
  }) : (tensor<3x4xi1>, tensor<f32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>) -> (tensor<3x4xi1>, tensor<f32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>)
  %161 = "stablehlo.log"(%arg1) : (tensor<3x4xf32>) -> tensor<3x4xf32>
  %162 = "chlo.digamma"(%arg0) : (tensor<3x4xf32>) -> tensor<3x4xf32>
  %163 = "stablehlo.subtract"(%161, %162) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %164 = "stablehlo.multiply"(%160#2, %163) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %165 = "stablehlo.add"(%160#13, %164) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %166 = "stablehlo.multiply"(%165, %arg1) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %167 = "stablehlo.negate"(%166) : (tensor<3x4xf32>) -> tensor<3x4xf32>
  %168 = "stablehlo.negate"(%167) : (tensor<3x4xf32>) -> tensor<3x4xf32>
  %169 = "stablehlo.not"(%14) : (tensor<3x4xi1>) -> tensor<3x4xi1>
  %170 = "stablehlo.and"(%28, %169) : (tensor<3x4xi1>, tensor<3x4xi1>) -> tensor<3x4xi1>
  %213:7 = "stablehlo.while"(%arg1, %170, %arg0, %31, %31, %30, %30) ({
  ^bb0(%a171: tensor<3x4xf32>, %a172: tensor<3x4xi1>, %a173: tensor<3x4xf32>, %a174: tensor<3x4xf32>, %a175: tensor<3x4xf32>, %a176: tensor<3x4xf32>, %a177: tensor<3x4xf32>):
    %178 = "stablehlo.constant"() {value = dense<false> : tensor<i1>} : () -> tensor<i1>
    %182 = "stablehlo.reduce"(%a172, %178) ({
    ^bb0(%a179: tensor<i1>, %a180: tensor<i1>):
      %181 = "stablehlo.or"(%a179, %a180) : (tensor<i1>, tensor<i1>) -> tensor<i1>
      stablehlo.return %181 : tensor<i1>
    }) {dimensions = array<i64: 0, 1>} : (tensor<3x4xi1>, tensor<i1>) -> tensor<i1>
    stablehlo.return %182 : tensor<i1>
  }, {
  ^bb0(%a183: tensor<3x4xf32>, %a184: tensor<3x4xi1>, %a185: tensor<3x4xf32>, %a186: tensor<3x4xf32>, %a187: tensor<3x4xf32>, %a188: tensor<3x4xf32>, %a189: tensor<3x4xf32>):
    %190 = "stablehlo.constant"() {value = dense<1.0> : tensor<3x4xf32>} : () -> tensor<3x4xf32>
    %191 = "stablehlo.add"(%a185, %190) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %192 = "stablehlo.divide"(%a183, %191) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %193 = "stablehlo.multiply"(%a188, %192) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %194 = "stablehlo.multiply"(%a186, %a183) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %195 = "stablehlo.multiply"(%191, %191) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %196 = "stablehlo.divide"(%194, %195) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %197 = "stablehlo.subtract"(%193, %196) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %198 = "stablehlo.add"(%a189, %197) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %199 = "stablehlo.divide"(%a183, %191) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %200 = "stablehlo.multiply"(%a186, %199) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %201 = "stablehlo.add"(%a187, %200) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %202 = "stablehlo.divide"(%197, %198) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %203 = "stablehlo.abs"(%202) : (tensor<3x4xf32>) -> tensor<3x4xf32>
    %204 = "stablehlo.constant"() {value = dense<1.1920929e-7> : tensor<f32>} : () -> tensor<f32>
    %205 = "stablehlo.broadcast_in_dim"(%204) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<3x4xf32>
    %206 = "stablehlo.compare"(%203, %205) {comparison_direction = #stablehlo<comparison_direction GT>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xi1>
    %207 = "stablehlo.and"(%a184, %206) : (tensor<3x4xi1>, tensor<3x4xi1>) -> tensor<3x4xi1>
    %208 = "stablehlo.select"(%a184, %191, %a185) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %209 = "stablehlo.select"(%a184, %200, %a186) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %210 = "stablehlo.select"(%a184, %201, %a187) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %211 = "stablehlo.select"(%a184, %197, %a188) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %212 = "stablehlo.select"(%a184, %198, %a189) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    stablehlo.return %a183, %207, %208, %209, %210, %211, %212 : tensor<3x4xf32>, tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>
  }) : (tensor<3x4xf32>, tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>) -> (tensor<3x4xf32>, tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>)
  %214 = "stablehlo.log"(%arg1) : (tensor<3x4xf32>) -> tensor<3x4xf32>
  %215 = "stablehlo.add"(%arg0, %31) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %216 = "chlo.digamma"(%215) : (tensor<3x4xf32>) -> tensor<3x4xf32>
  %217 = "stablehlo.subtract"(%214, %216) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %218 = "stablehlo.multiply"(%213#4, %217) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %219 = "stablehlo.add"(%213#6, %218) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %220 = "stablehlo.negate"(%219) : (tensor<3x4xf32>) -> tensor<3x4xf32>
  %221 = "stablehlo.multiply"(%220, %arg1) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %222 = "stablehlo.divide"(%221, %arg0) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %223 = "stablehlo.select"(%14, %168, %222) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %224 = "stablehlo.constant"() {value = dense<0x7FC00000> : tensor<3x4xf32>} : () -> tensor<3x4xf32>
  %225 = "stablehlo.broadcast_in_dim"(%0) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<3x4xf32>
  %226 = "stablehlo.compare"(%arg1, %225) {comparison_direction = #stablehlo<comparison_direction EQ>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xi1>
  %227 = "stablehlo.select"(%226, %30, %223) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %228 = "stablehlo.select"(%9, %224, %227) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  return %228 : tensor<3x4xf32>
}
}
