// eig of f32: one
module @main {
func.func public @main(%arg0: tensor<3x3xf32>) -> (tensor<complex<f32>>, tensor<3xf32>, tensor<3xf32>) {
  %0:4 = "stablehlo.custom_call"(%arg0) {call_target_name = "raxla.eig", api_version = 4 : i32, backend_config = {}, has_side_effect = false, operand_layouts = [dense<[1, 0]> : tensor<2xindex>], result_layouts = [dense<[1, 0]> : tensor<2xindex>, dense<[1, 0]> : tensor<2xindex>, dense<[0]> : tensor<1xindex>, dense<[0]> : tensor<1xindex>]} : (tensor<3x3xf32>) -> (tensor<3x3xf32>, tensor<3x3xf32>, tensor<3xf32>, tensor<3xf32>)
  %1 = "stablehlo.complex"(%0#0, %0#1) : (tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xcomplex<f32>>
  %2 = "stablehlo.complex"(%0#2, %0#3) : (tensor<3xf32>, tensor<3xf32>) -> tensor<3xcomplex<f32>>
  %3 = "stablehlo.abs"(%1) : (tensor<3x3xcomplex<f32>>) -> tensor<3x3xf32>
  %4 = "stablehlo.convert"(%3) : (tensor<3x3xf32>) -> tensor<3x3xcomplex<f32>>
  %5 = "stablehlo.multiply"(%1, %4) : (tensor<3x3xcomplex<f32>>, tensor<3x3xcomplex<f32>>) -> tensor<3x3xcomplex<f32>>
  %6 = "stablehlo.reshape"(%2) : (tensor<3xcomplex<f32>>) -> tensor<1x3xcomplex<f32>>
  %7 = "stablehlo.broadcast_in_dim"(%6) {broadcast_dimensions = array<i64: 0, 1>} : (tensor<1x3xcomplex<f32>>) -> tensor<3x3xcomplex<f32>>
  %8 = "stablehlo.multiply"(%5, %7) : (tensor<3x3xcomplex<f32>>, tensor<3x3xcomplex<f32>>) -> tensor<3x3xcomplex<f32>>
  %9 = "stablehlo.constant"() {value = dense<(0.0, 0.0)> : tensor<complex<f32>>} : () -> tensor<complex<f32>>
  %13 = "stablehlo.reduce"(%8, %9) ({
  ^bb0(%a10: tensor<complex<f32>>, %a11: tensor<complex<f32>>):
    %12 = "stablehlo.add"(%a10, %a11) : (tensor<complex<f32>>, tensor<complex<f32>>) -> tensor<complex<f32>>
    stablehlo.return %12 : tensor<complex<f32>>
  }) {dimensions = array<i64: 1>} : (tensor<3x3xcomplex<f32>>, tensor<complex<f32>>) -> tensor<3xcomplex<f32>>
  %14 = "stablehlo.sine"(%2) : (tensor<3xcomplex<f32>>) -> tensor<3xcomplex<f32>>
  %18 = "stablehlo.reduce"(%14, %9) ({
  ^bb0(%a15: tensor<complex<f32>>, %a16: tensor<complex<f32>>):
    %17 = "stablehlo.add"(%a15, %a16) : (tensor<complex<f32>>, tensor<complex<f32>>) -> tensor<complex<f32>>
    stablehlo.return %17 : tensor<complex<f32>>
  }) {dimensions = array<i64: 0>} : (tensor<3xcomplex<f32>>, tensor<complex<f32>>) -> tensor<complex<f32>>
  %19 = "stablehlo.real"(%13) : (tensor<3xcomplex<f32>>) -> tensor<3xf32>
  %20 = "stablehlo.imag"(%13) : (tensor<3xcomplex<f32>>) -> tensor<3xf32>
  return %18, %19, %20 : tensor<complex<f32>>, tensor<3xf32>, tensor<3xf32>
}
}
