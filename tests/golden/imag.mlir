// imag of c64: values
module @main {
func.func public @main(%arg0: tensor<3x4xcomplex<f32>>) -> (tensor<3x4xf32>) {
  %0 = "stablehlo.imag"(%arg0) : (tensor<3x4xcomplex<f32>>) -> tensor<3x4xf32>
  return %0 : tensor<3x4xf32>
}
}
