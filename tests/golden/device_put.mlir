// device_put of f32: there and back
module @main {
func.func public @main(%arg0: tensor<2x3xf32>) -> (tensor<2x3xf32>) {
  %0 = "stablehlo.custom_call"(%arg0) {call_target_name = "annotate_device_placement", backend_config = "", has_side_effect = true, mhlo.frontend_attributes = {_xla_buffer_placement = "pinned_host"}} : (tensor<2x3xf32>) -> tensor<2x3xf32>
  %1 = "stablehlo.custom_call"(%0) {call_target_name = "annotate_device_placement", backend_config = "", has_side_effect = true, mhlo.frontend_attributes = {_xla_buffer_placement = "device"}} : (tensor<2x3xf32>) -> tensor<2x3xf32>
  return %1 : tensor<2x3xf32>
}
}
