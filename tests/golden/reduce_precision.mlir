// reduce_precision of f32: 4, 3
module @main {
func.func public @main(%arg0: tensor<40xf32>, %arg1: tensor<13xf32>) -> (tensor<40xf32>, tensor<13xf32>) {
  %0 = "stablehlo.reduce_precision"(%arg0) {exponent_bits = 4 : i32, mantissa_bits = 3 : i32} : (tensor<40xf32>) -> tensor<40xf32>
  %1 = "stablehlo.reduce_precision"(%arg1) {exponent_bits = 4 : i32, mantissa_bits = 3 : i32} : (tensor<13xf32>) -> tensor<13xf32>
  return %0, %1 : tensor<40xf32>, tensor<13xf32>
}
}
