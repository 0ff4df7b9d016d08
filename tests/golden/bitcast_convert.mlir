// bitcast_convert of f32: i8
module @main {
func.func public @main(%arg0: tensor<3x1xf32>) -> (tensor<3x1x4xi8>) {
  %0 = "stablehlo.bitcast_convert"(%arg0) : (tensor<3x1xf32>) -> tensor<3x1x4xi8>
  return %0 : tensor<3x1x4xi8>
}
}
