// argmin of f32: last
module @main {
func.func public @main(%arg0: tensor<3x7xf32>) -> (tensor<3xi32>) {
  %0 = "stablehlo.iota"() {iota_dimension = 1 : i64} : () -> tensor<3x7xi32>
  %1 = "stablehlo.constant"() {value = dense<0x7F800000> : tensor<f32>} : () -> tensor<f32>
  %2 = "stablehlo.constant"() {value = dense<0> : tensor<i32>} : () -> tensor<i32>
  %18:2 = "stablehlo.reduce"(%arg0, %0, %1, %2) ({
  ^bb0(%a3: tensor<f32>, %a4: tensor<i32>, %a5: tensor<f32>, %a6: tensor<i32>):
    %7 = "stablehlo.compare"(%a3, %a5) {comparison_direction = #stablehlo<comparison_direction LT>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<f32>, tensor<f32>) -> tensor<i1>
    %8 = "stablehlo.compare"(%a3, %a3) {comparison_direction = #stablehlo<comparison_direction NE>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<f32>, tensor<f32>) -> tensor<i1>
    %9 = "stablehlo.or"(%7, %8) : (tensor<i1>, tensor<i1>) -> tensor<i1>
    %10 = "stablehlo.compare"(%a5, %a3) {comparison_direction = #stablehlo<comparison_direction LT>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<f32>, tensor<f32>) -> tensor<i1>
    %11 = "stablehlo.compare"(%a5, %a5) {comparison_direction = #stablehlo<comparison_direction NE>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<f32>, tensor<f32>) -> tensor<i1>
    %12 = "stablehlo.or"(%10, %11) : (tensor<i1>, tensor<i1>) -> tensor<i1>
    %13 = "stablehlo.compare"(%9, %12) {comparison_direction = #stablehlo<comparison_direction EQ>, compare_type = #stablehlo<comparison_type UNSIGNED>} : (tensor<i1>, tensor<i1>) -> tensor<i1>
    %14 = "stablehlo.compare"(%a4, %a6) {comparison_direction = #stablehlo<comparison_direction LT>, compare_type = #stablehlo<comparison_type SIGNED>} : (tensor<i32>, tensor<i32>) -> tensor<i1>
    %15 = "stablehlo.select"(%13, %14, %9) : (tensor<i1>, tensor<i1>, tensor<i1>) -> tensor<i1>
    %16 = "stablehlo.select"(%15, %a3, %a5) : (tensor<i1>, tensor<f32>, tensor<f32>) -> tensor<f32>
    %17 = "stablehlo.select"(%15, %a4, %a6) : (tensor<i1>, tensor<i32>, tensor<i32>) -> tensor<i32>
    stablehlo.return %16, %17 : tensor<f32>, tensor<i32>
  }) {dimensions = array<i64: 1>} : (tensor<3x7xf32>, tensor<3x7xi32>, tensor<f32>, tensor<i32>) -> (tensor<3xf32>, tensor<3xi32>)
  return %18#1 : tensor<3xi32>
}
}
