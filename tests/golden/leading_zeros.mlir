// leading_zeros of i32: values
module @main {
func.func public @main(%arg0: tensor<3x4xi32>) -> (tensor<3x4xi32>) {
  %0 = "stablehlo.count_leading_zeros"(%arg0) : (tensor<3x4xi32>) -> tensor<3x4xi32>
  return %0 : tensor<3x4xi32>
}
}
