// fft of f32: Rfft, even
module @main {
func.func public @main(%arg0: tensor<2x6xf32>) -> (tensor<2x4xcomplex<f32>>) {
  %0 = "stablehlo.fft"(%arg0) {fft_type = #stablehlo<fft_type RFFT>, fft_length = array<i64: 6>} : (tensor<2x6xf32>) -> tensor<2x4xcomplex<f32>>
  return %0 : tensor<2x4xcomplex<f32>>
}
}
