// full of f32: number
module @main {
func.func public @main() -> (tensor<2x3xf32>) {
  %0 = "stablehlo.constant"() {value = dense<3.0> : tensor<2x3xf32>} : () -> tensor<2x3xf32>
  return %0 : tensor<2x3xf32>
}
}
