// constant of f32: matrix
module @main {
func.func public @main() -> (tensor<3x4xf32>) {
  %0 = "stablehlo.constant"() {value = dense<"0xEF36B83F8A78D8BE2E069FBDF6419FBFD229A6BFEE80B83E0A97D63EF254B33F9D54BB3F9DEA783E1617EEBFF5A4A2BF"> : tensor<3x4xf32>} : () -> tensor<3x4xf32>
  return %0 : tensor<3x4xf32>
}
}
