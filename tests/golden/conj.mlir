// conj of c64: values
module @main {
func.func public @main(%arg0: tensor<3x4xcomplex<f32>>) -> (tensor<3x4xcomplex<f32>>) {
  %0 = "stablehlo.real"(%arg0) : (tensor<3x4xcomplex<f32>>) -> tensor<3x4xf32>
  %1 = "stablehlo.imag"(%arg0) : (tensor<3x4xcomplex<f32>>) -> tensor<3x4xf32>
  %2 = "stablehlo.negate"(%1) : (tensor<3x4xf32>) -> tensor<3x4xf32>
  %3 = "stablehlo.complex"(%0, %2) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xcomplex<f32>>
  return %3 : tensor<3x4xcomplex<f32>>
}
}
