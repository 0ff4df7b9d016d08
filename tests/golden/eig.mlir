// eig of f32: one
module @main {
func.func public @main(%arg0: tensor<3x3xf32>) -> (tensor<complex<f32>>, tensor<3xf32>, tensor<3xf32>) {
  %0:2 = "stablehlo.custom_call"(%arg0) {call_target_name = "raxla.eig", api_version = 4 : i32, backend_config = {}, has_side_effect = false, operand_layouts = [dense<[1, 0]> : tensor<2xindex>], result_layouts = [dense<[1, 0]> : tensor<2xindex>, dense<[0]> : tensor<1xindex>]} : (tensor<3x3xf32>) -> (tensor<3x3xcomplex<f32>>, tensor<3xcomplex<f32>>)
  %1 = "stablehlo.abs"(%0#0) : (tensor<3x3xcomplex<f32>>) -> tensor<3x3xf32>
  %2 = "stablehlo.convert"(%1) : (tensor<3x3xf32>) -> tensor<3x3xcomplex<f32>>
  %3 = "stablehlo.multiply"(%0#0, %2) : (tensor<3x3xcomplex<f32>>, tensor<3x3xcomplex<f32>>) -> tensor<3x3xcomplex<f32>>
  %4 = "stablehlo.reshape"(%0#1) : (tensor<3xcomplex<f32>>) -> tensor<1x3xcomplex<f32>>
  %5 = "stablehlo.broadcast_in_dim"(%4) {broadcast_dimensions = array<i64: 0, 1>} : (tensor<1x3xcomplex<f32>>) -> tensor<3x3xcomplex<f32>>
  %6 = "stablehlo.multiply"(%3, %5) : (tensor<3x3xcomplex<f32>>, tensor<3x3xcomplex<f32>>) -> tensor<3x3xcomplex<f32>>
  %7 = "stablehlo.constant"() {value = dense<(0.0, 0.0)> : tensor<complex<f32>>} : () -> tensor<complex<f32>>
  %11 = "stablehlo.reduce"(%6, %7) ({
  ^bb0(%a8: tensor<complex<f32>>, %a9: tensor<complex<f32>>):
    %10 = "stablehlo.add"(%a8, %a9) : (tensor<complex<f32>>, tensor<complex<f32>>) -> tensor<complex<f32>>
    stablehlo.return %10 : tensor<complex<f32>>
  }) {dimensions = array<i64: 1>} : (tensor<3x3xcomplex<f32>>, tensor<complex<f32>>) -> tensor<3xcomplex<f32>>
  %12 = "stablehlo.sine"(%0#1) : (tensor<3xcomplex<f32>>) -> tensor<3xcomplex<f32>>
  %16 = "stablehlo.reduce"(%12, %7) ({
  ^bb0(%a13: tensor<complex<f32>>, %a14: tensor<complex<f32>>):
    %15 = "stablehlo.add"(%a13, %a14) : (tensor<complex<f32>>, tensor<complex<f32>>) -> tensor<complex<f32>>
    stablehlo.return %15 : tensor<complex<f32>>
  }) {dimensions = array<i64: 0>} : (tensor<3xcomplex<f32>>, tensor<complex<f32>>) -> tensor<complex<f32>>
  %17 = "stablehlo.real"(%11) : (tensor<3xcomplex<f32>>) -> tensor<3xf32>
  %18 = "stablehlo.imag"(%11) : (tensor<3xcomplex<f32>>) -> tensor<3xf32>
  return %16, %17, %18 : tensor<complex<f32>>, tensor<3xf32>, tensor<3xf32>
}
}
