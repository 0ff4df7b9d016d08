// betainc of f32: values
module @main {
func.func public @main(%arg0: tensor<3x4xf32>, %arg1: tensor<3x4xf32>, %arg2: tensor<3x4xf32>) -> (tensor<3x4xf32>) {
  %0 = "stablehlo.constant"() {value = dense<0.0> : tensor<f32>} : () -> tensor<f32>
  %1 = "stablehlo.broadcast_in_dim"(%0) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<3x4xf32>
  %2 = "stablehlo.compare"(%arg0, %1) {comparison_direction = #stablehlo<comparison_direction EQ>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xi1>
  %3 = "stablehlo.constant"() {value = dense<0x7F800000> : tensor<f32>} : () -> tensor<f32>
  %4 = "stablehlo.broadcast_in_dim"(%3) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<3x4xf32>
  %5 = "stablehlo.compare"(%arg1, %4) {comparison_direction = #stablehlo<comparison_direction EQ>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xi1>
  %6 = "stablehlo.or"(%2, %5) : (tensor<3x4xi1>, tensor<3x4xi1>) -> tensor<3x4xi1>
  %7 = "stablehlo.broadcast_in_dim"(%0) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<3x4xf32>
  %8 = "stablehlo.compare"(%arg1, %7) {comparison_direction = #stablehlo<comparison_direction EQ>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xi1>
  %9 = "stablehlo.broadcast_in_dim"(%3) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<3x4xf32>
  %10 = "stablehlo.compare"(%arg0, %9) {comparison_direction = #stablehlo<comparison_direction EQ>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xi1>
  %11 = "stablehlo.or"(%8, %10) : (tensor<3x4xi1>, tensor<3x4xi1>) -> tensor<3x4xi1>
  %12 = "stablehlo.broadcast_in_dim"(%0) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<3x4xf32>
  %13 = "stablehlo.compare"(%arg2, %12) {comparison_direction = #stablehlo<comparison_direction EQ>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xi1>
  %14 = "stablehlo.constant"() {value = dense<1.0> : tensor<f32>} : () -> tensor<f32>
  %15 = "stablehlo.broadcast_in_dim"(%14) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<3x4xf32>
  %16 = "stablehlo.compare"(%arg2, %15) {comparison_direction = #stablehlo<comparison_direction EQ>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xi1>
  %17 = "stablehlo.not"(%16) : (tensor<3x4xi1>) -> tensor<3x4xi1>
  %18 = "stablehlo.and"(%11, %17) : (tensor<3x4xi1>, tensor<3x4xi1>) -> tensor<3x4xi1>
  %19 = "stablehlo.and"(%6, %13) : (tensor<3x4xi1>, tensor<3x4xi1>) -> tensor<3x4xi1>
  %20 = "stablehlo.or"(%18, %19) : (tensor<3x4xi1>, tensor<3x4xi1>) -> tensor<3x4xi1>
  %21 = "stablehlo.not"(%13) : (tensor<3x4xi1>) -> tensor<3x4xi1>
  %22 = "stablehlo.and"(%6, %21) : (tensor<3x4xi1>, tensor<3x4xi1>) -> tensor<3x4xi1>
  %23 = "stablehlo.and"(%11, %16) : (tensor<3x4xi1>, tensor<3x4xi1>) -> tensor<3x4xi1>
  %24 = "stablehlo.or"(%22, %23) : (tensor<3x4xi1>, tensor<3x4xi1>) -> tensor<3x4xi1>
  %25 = "stablehlo.broadcast_in_dim"(%0) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<3x4xf32>
  %26 = "stablehlo.compare"(%arg0, %25) {comparison_direction = #stablehlo<comparison_direction LT>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xi1>
  %27 = "stablehlo.broadcast_in_dim"(%0) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<3x4xf32>
  %28 = "stablehlo.compare"(%arg1, %27) {comparison_direction = #stablehlo<comparison_direction LT>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xi1>
  %29 = "stablehlo.or"(%26, %28) : (tensor<3x4xi1>, tensor<3x4xi1>) -> tensor<3x4xi1>
  %30 = "stablehlo.broadcast_in_dim"(%0) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<3x4xf32>
  %31 = "stablehlo.compare"(%arg2, %30) {comparison_direction = #stablehlo<comparison_direction LT>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xi1>
  %32 = "stablehlo.or"(%29, %31) : (tensor<3x4xi1>, tensor<3x4xi1>) -> tensor<3x4xi1>
  %33 = "stablehlo.broadcast_in_dim"(%14) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<3x4xf32>
  %34 = "stablehlo.compare"(%arg2, %33) {comparison_direction = #stablehlo<comparison_direction GT>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xi1>
  %35 = "stablehlo.or"(%32, %34) : (tensor<3x4xi1>, tensor<3x4xi1>) -> tensor<3x4xi1>
  %36 = "stablehlo.and"(%6, %11) : (tensor<3x4xi1>, tensor<3x4xi1>) -> tensor<3x4xi1>
  %37 = "stablehlo.or"(%35, %36) : (tensor<3x4xi1>, tensor<3x4xi1>) -> tensor<3x4xi1>
  %38 = "stablehlo.compare"(%arg0, %arg0) {comparison_direction = #stablehlo<comparison_direction NE>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xi1>
  %39 = "stablehlo.or"(%37, %38) : (tensor<3x4xi1>, tensor<3x4xi1>) -> tensor<3x4xi1>
  %40 = "stablehlo.compare"(%arg1, %arg1) {comparison_direction = #stablehlo<comparison_direction NE>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xi1>
  %41 = "stablehlo.or"(%39, %40) : (tensor<3x4xi1>, tensor<3x4xi1>) -> tensor<3x4xi1>
  %42 = "stablehlo.compare"(%arg2, %arg2) {comparison_direction = #stablehlo<comparison_direction NE>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xi1>
  %43 = "stablehlo.or"(%41, %42) : (tensor<3x4xi1>, tensor<3x4xi1>) -> tensor<3x4xi1>
  %44 = "stablehlo.constant"() {value = dense<1.0> : tensor<3x4xf32>} : () -> tensor<3x4xf32>
  %45 = "stablehlo.add"(%arg0, %44) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %46 = "stablehlo.add"(%arg0, %arg1) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %47 = "stablehlo.constant"() {value = dense<2.0> : tensor<3x4xf32>} : () -> tensor<3x4xf32>
  %48 = "stablehlo.add"(%46, %47) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %49 = "stablehlo.divide"(%45, %48) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %50 = "stablehlo.compare"(%arg2, %49) {comparison_direction = #stablehlo<comparison_direction LT>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xi1>
  %51 = "stablehlo.select"(%50, %arg0, %arg1) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %52 = "stablehlo.select"(%50, %arg1, %arg0) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %53 = "stablehlo.subtract"(%44, %arg2) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %54 = "stablehlo.select"(%50, %arg2, %53) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %55 = "chlo.lgamma"(%52) : (tensor<3x4xf32>) -> tensor<3x4xf32>
  %56 = "stablehlo.add"(%51, %52) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %57 = "chlo.lgamma"(%56) : (tensor<3x4xf32>) -> tensor<3x4xf32>
  %58 = "stablehlo.subtract"(%55, %57) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %59 = "stablehlo.constant"() {value = dense<2.3509887e-38> : tensor<f32>} : () -> tensor<f32>
  %60 = "stablehlo.broadcast_in_dim"(%59) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<3x4xf32>
  %61 = "stablehlo.compare"(%51, %60) {comparison_direction = #stablehlo<comparison_direction LT>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xi1>
  %62 = "stablehlo.negate"(%54) : (tensor<3x4xf32>) -> tensor<3x4xf32>
  %63 = "stablehlo.log_plus_one"(%62) : (tensor<3x4xf32>) -> tensor<3x4xf32>
  %64 = "stablehlo.multiply"(%63, %52) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %65 = "stablehlo.subtract"(%64, %58) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %66 = "stablehlo.exponential"(%65) : (tensor<3x4xf32>) -> tensor<3x4xf32>
  %67 = "stablehlo.log"(%54) : (tensor<3x4xf32>) -> tensor<3x4xf32>
  %68 = "stablehlo.multiply"(%67, %51) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %69 = "stablehlo.negate"(%54) : (tensor<3x4xf32>) -> tensor<3x4xf32>
  %70 = "stablehlo.log_plus_one"(%69) : (tensor<3x4xf32>) -> tensor<3x4xf32>
  %71 = "stablehlo.multiply"(%70, %52) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %72 = "stablehlo.add"(%68, %71) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %73 = "chlo.lgamma"(%51) : (tensor<3x4xf32>) -> tensor<3x4xf32>
  %74 = "stablehlo.add"(%73, %58) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %75 = "stablehlo.subtract"(%72, %74) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %76 = "stablehlo.exponential"(%75) : (tensor<3x4xf32>) -> tensor<3x4xf32>
  %77 = "stablehlo.divide"(%76, %51) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %78 = "stablehlo.select"(%61, %66, %77) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %79 = "stablehlo.constant"() {value = dense<5.9604645e-8> : tensor<3x4xf32>} : () -> tensor<3x4xf32>
  %80 = "stablehlo.constant"() {value = dense<1> : tensor<i32>} : () -> tensor<i32>
  %81 = "stablehlo.constant"() {value = dense<true> : tensor<i1>} : () -> tensor<i1>
  %82 = "stablehlo.constant"() {value = dense<0.0> : tensor<3x4xf32>} : () -> tensor<3x4xf32>
  %184:8 = "stablehlo.while"(%51, %52, %54, %80, %81, %79, %82, %79) ({
  ^bb0(%a83: tensor<3x4xf32>, %a84: tensor<3x4xf32>, %a85: tensor<3x4xf32>, %a86: tensor<i32>, %a87: tensor<i1>, %a88: tensor<3x4xf32>, %a89: tensor<3x4xf32>, %a90: tensor<3x4xf32>):
    %91 = "stablehlo.constant"() {value = dense<200> : tensor<i32>} : () -> tensor<i32>
    %92 = "stablehlo.compare"(%a86, %91) {comparison_direction = #stablehlo<comparison_direction LT>, compare_type = #stablehlo<comparison_type SIGNED>} : (tensor<i32>, tensor<i32>) -> tensor<i1>
    %93 = "stablehlo.and"(%92, %a87) : (tensor<i1>, tensor<i1>) -> tensor<i1>
    stablehlo.return %93 : tensor<i1>
  }, {
  ^bb0(%a94: tensor<3x4xf32>, %a95: tensor<3x4xf32>, %a96: tensor<3x4xf32>, %a97: tensor<i32>, %a98: tensor<i1>, %a99: tensor<3x4xf32>, %a100: tensor<3x4xf32>, %a101: tensor<3x4xf32>):
    %102 = "stablehlo.constant"() {value = dense<1> : tensor<i32>} : () -> tensor<i32>
    %103 = "stablehlo.compare"(%a97, %102) {comparison_direction = #stablehlo<comparison_direction EQ>, compare_type = #stablehlo<comparison_type SIGNED>} : (tensor<i32>, tensor<i32>) -> tensor<i1>
    %104 = "stablehlo.constant"() {value = dense<2> : tensor<i32>} : () -> tensor<i32>
    %105 = "stablehlo.remainder"(%a97, %104) : (tensor<i32>, tensor<i32>) -> tensor<i32>
    %106 = "stablehlo.constant"() {value = dense<0> : tensor<i32>} : () -> tensor<i32>
    %107 = "stablehlo.compare"(%105, %106) {comparison_direction = #stablehlo<comparison_direction EQ>, compare_type = #stablehlo<comparison_type SIGNED>} : (tensor<i32>, tensor<i32>) -> tensor<i1>
    %108 = "stablehlo.subtract"(%a97, %102) : (tensor<i32>, tensor<i32>) -> tensor<i32>
    %109 = "stablehlo.divide"(%108, %104) : (tensor<i32>, tensor<i32>) -> tensor<i32>
    %110 = "stablehlo.convert"(%109) : (tensor<i32>) -> tensor<f32>
    %111 = "stablehlo.constant"() {value = dense<0.0> : tensor<f32>} : () -> tensor<f32>
    %112 = "stablehlo.compare"(%110, %111) {comparison_direction = #stablehlo<comparison_direction EQ>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<f32>, tensor<f32>) -> tensor<i1>
    %113 = "stablehlo.add"(%a94, %a95) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %114 = "stablehlo.negate"(%113) : (tensor<3x4xf32>) -> tensor<3x4xf32>
    %115 = "stablehlo.multiply"(%114, %a96) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %116 = "stablehlo.constant"() {value = dense<1.0> : tensor<3x4xf32>} : () -> tensor<3x4xf32>
    %117 = "stablehlo.add"(%a94, %116) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %118 = "stablehlo.divide"(%115, %117) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %119 = "stablehlo.broadcast_in_dim"(%110) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<3x4xf32>
    %120 = "stablehlo.add"(%a94, %119) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %121 = "stablehlo.negate"(%120) : (tensor<3x4xf32>) -> tensor<3x4xf32>
    %122 = "stablehlo.add"(%a94, %a95) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %123 = "stablehlo.broadcast_in_dim"(%110) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<3x4xf32>
    %124 = "stablehlo.add"(%122, %123) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %125 = "stablehlo.multiply"(%121, %124) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %126 = "stablehlo.multiply"(%125, %a96) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %127 = "stablehlo.constant"() {value = dense<2.0> : tensor<f32>} : () -> tensor<f32>
    %128 = "stablehlo.multiply"(%110, %127) : (tensor<f32>, tensor<f32>) -> tensor<f32>
    %129 = "stablehlo.broadcast_in_dim"(%128) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<3x4xf32>
    %130 = "stablehlo.add"(%a94, %129) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %131 = "stablehlo.multiply"(%110, %127) : (tensor<f32>, tensor<f32>) -> tensor<f32>
    %132 = "stablehlo.broadcast_in_dim"(%131) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<3x4xf32>
    %133 = "stablehlo.add"(%a94, %132) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %134 = "stablehlo.add"(%133, %116) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %135 = "stablehlo.multiply"(%130, %134) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %136 = "stablehlo.divide"(%126, %135) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %137 = "stablehlo.broadcast_in_dim"(%112) {broadcast_dimensions = array<i64>} : (tensor<i1>) -> tensor<3x4xi1>
    %138 = "stablehlo.select"(%137, %118, %136) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %139 = "stablehlo.broadcast_in_dim"(%110) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<3x4xf32>
    %140 = "stablehlo.subtract"(%a95, %139) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %141 = "stablehlo.broadcast_in_dim"(%110) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<3x4xf32>
    %142 = "stablehlo.multiply"(%141, %140) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %143 = "stablehlo.multiply"(%142, %a96) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %144 = "stablehlo.multiply"(%110, %127) : (tensor<f32>, tensor<f32>) -> tensor<f32>
    %145 = "stablehlo.broadcast_in_dim"(%144) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<3x4xf32>
    %146 = "stablehlo.add"(%a94, %145) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %147 = "stablehlo.subtract"(%146, %116) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %148 = "stablehlo.multiply"(%110, %127) : (tensor<f32>, tensor<f32>) -> tensor<f32>
    %149 = "stablehlo.broadcast_in_dim"(%148) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<3x4xf32>
    %150 = "stablehlo.add"(%a94, %149) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %151 = "stablehlo.multiply"(%147, %150) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %152 = "stablehlo.divide"(%143, %151) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %153 = "stablehlo.broadcast_in_dim"(%107) {broadcast_dimensions = array<i64>} : (tensor<i1>) -> tensor<3x4xi1>
    %154 = "stablehlo.select"(%153, %138, %152) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %155 = "stablehlo.broadcast_in_dim"(%103) {broadcast_dimensions = array<i64>} : (tensor<i1>) -> tensor<3x4xi1>
    %156 = "stablehlo.select"(%155, %116, %154) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %157 = "stablehlo.divide"(%156, %a99) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %158 = "stablehlo.add"(%116, %157) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %159 = "stablehlo.abs"(%158) : (tensor<3x4xf32>) -> tensor<3x4xf32>
    %160 = "stablehlo.constant"() {value = dense<5.9604645e-8> : tensor<f32>} : () -> tensor<f32>
    %161 = "stablehlo.broadcast_in_dim"(%160) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<3x4xf32>
    %162 = "stablehlo.compare"(%159, %161) {comparison_direction = #stablehlo<comparison_direction LT>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xi1>
    %163 = "stablehlo.constant"() {value = dense<5.9604645e-8> : tensor<3x4xf32>} : () -> tensor<3x4xf32>
    %164 = "stablehlo.select"(%162, %163, %158) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %165 = "stablehlo.multiply"(%156, %a100) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %166 = "stablehlo.add"(%116, %165) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %167 = "stablehlo.abs"(%166) : (tensor<3x4xf32>) -> tensor<3x4xf32>
    %168 = "stablehlo.broadcast_in_dim"(%160) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<3x4xf32>
    %169 = "stablehlo.compare"(%167, %168) {comparison_direction = #stablehlo<comparison_direction LT>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xi1>
    %170 = "stablehlo.select"(%169, %163, %166) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %171 = "stablehlo.divide"(%116, %170) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %172 = "stablehlo.multiply"(%164, %171) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %173 = "stablehlo.add"(%a97, %102) : (tensor<i32>, tensor<i32>) -> tensor<i32>
    %174 = "stablehlo.subtract"(%172, %116) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %175 = "stablehlo.abs"(%174) : (tensor<3x4xf32>) -> tensor<3x4xf32>
    %176 = "stablehlo.broadcast_in_dim"(%160) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<3x4xf32>
    %177 = "stablehlo.compare"(%175, %176) {comparison_direction = #stablehlo<comparison_direction GE>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xi1>
    %178 = "stablehlo.constant"() {value = dense<false> : tensor<i1>} : () -> tensor<i1>
    %182 = "stablehlo.reduce"(%177, %178) ({
    ^bb0(%a179: tensor<i1>, %a180: tensor<i1>):
      %181 = "stablehlo.or"(%a179, %a180) : (tensor<i1>, tensor<i1>) -> tensor<i1>
      stablehlo.return %181 : tensor<i1>
    }) {dimensions = array<i64: 0, 1>} : (tensor<3x4xi1>, tensor<i1>) -> tensor<i1>
    %183 = "stablehlo.multiply"(%a101, %172) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    stablehlo.return %a94, %a95, %a96, %173, %182, %164, %171, %183 : tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<i32>, tensor<i1>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>
  }) : (tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<i32>, tensor<i1>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>) -> (tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<i32>, tensor<i1>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>)
  %185 = "stablehlo.multiply"(%184#7, %78) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %186 = "stablehlo.subtract"(%44, %185) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %187 = "stablehlo.select"(%50, %185, %186) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %188 = "stablehlo.select"(%20, %82, %187) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %189 = "stablehlo.select"(%24, %44, %188) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %190 = "stablehlo.constant"() {value = dense<0x7FC00000> : tensor<3x4xf32>} : () -> tensor<3x4xf32>
  %191 = "stablehlo.select"(%43, %190, %189) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  return %191 : tensor<3x4xf32>
}
}
