// all_to_all of f32: new axis
module @main {
func.func public @main(%arg0: tensor<3x3x2xf32>) -> (tensor<3x2x3xf32>) {
  %0 = "stablehlo.transpose"(%arg0) {permutation = array<i64: 1, 0, 2>} : (tensor<3x3x2xf32>) -> tensor<3x3x2xf32>
  %1 = "stablehlo.transpose"(%0) {permutation = array<i64: 0, 2, 1>} : (tensor<3x3x2xf32>) -> tensor<3x2x3xf32>
  return %1 : tensor<3x2x3xf32>
}
}
