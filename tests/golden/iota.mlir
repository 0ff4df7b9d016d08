// iota of f32: vector
module @main {
func.func public @main() -> (tensor<5xf32>) {
  %0 = "stablehlo.iota"() {iota_dimension = 0 : i64} : () -> tensor<5xf32>
  return %0 : tensor<5xf32>
}
}
