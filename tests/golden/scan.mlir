// scan of f32: forward
module @main {
func.func public @main(%arg0: tensor<3xf32>, %arg1: tensor<5x3xf32>, %arg2: tensor<3xf32>) -> (tensor<3xf32>, tensor<5x3xf32>) {
  %0 = "stablehlo.constant"() {value = dense<0.0> : tensor<5x3xf32>} : () -> tensor<5x3xf32>
  %1 = "stablehlo.constant"() {value = dense<0> : tensor<i32>} : () -> tensor<i32>
  %25:5 = "stablehlo.while"(%1, %arg0, %0, %arg2, %arg1) ({
  ^bb0(%a2: tensor<i32>, %a3: tensor<3xf32>, %a4: tensor<5x3xf32>, %a5: tensor<3xf32>, %a6: tensor<5x3xf32>):
    %7 = "stablehlo.constant"() {value = dense<5> : tensor<i32>} : () -> tensor<i32>
    %8 = "stablehlo.compare"(%a2, %7) {comparison_direction = #stablehlo<comparison_direction LT>, compare_type = #stablehlo<comparison_type SIGNED>} : (tensor<i32>, tensor<i32>) -> tensor<i1>
    stablehlo.return %8 : tensor<i1>
  }, {
  ^bb0(%a9: tensor<i32>, %a10: tensor<3xf32>, %a11: tensor<5x3xf32>, %a12: tensor<3xf32>, %a13: tensor<5x3xf32>):
    %14 = "stablehlo.constant"() {value = dense<0> : tensor<i32>} : () -> tensor<i32>
    %15 = "stablehlo.dynamic_slice"(%a13, %a9, %14) {slice_sizes = array<i64: 1, 3>} : (tensor<5x3xf32>, tensor<i32>, tensor<i32>) -> tensor<1x3xf32>
    %16 = "stablehlo.reshape"(%15) : (tensor<1x3xf32>) -> tensor<3xf32>
    %17 = "stablehlo.multiply"(%a10, %a12) : (tensor<3xf32>, tensor<3xf32>) -> tensor<3xf32>
    %18 = "stablehlo.add"(%17, %16) : (tensor<3xf32>, tensor<3xf32>) -> tensor<3xf32>
    %19 = "stablehlo.tanh"(%18) : (tensor<3xf32>) -> tensor<3xf32>
    %20 = "stablehlo.multiply"(%a10, %16) : (tensor<3xf32>, tensor<3xf32>) -> tensor<3xf32>
    %21 = "stablehlo.reshape"(%20) : (tensor<3xf32>) -> tensor<1x3xf32>
    %22 = "stablehlo.dynamic_update_slice"(%a11, %21, %a9, %14) : (tensor<5x3xf32>, tensor<1x3xf32>, tensor<i32>, tensor<i32>) -> tensor<5x3xf32>
    %23 = "stablehlo.constant"() {value = dense<1> : tensor<i32>} : () -> tensor<i32>
    %24 = "stablehlo.add"(%a9, %23) : (tensor<i32>, tensor<i32>) -> tensor<i32>
    stablehlo.return %24, %19, %22, %a12, %a13 : tensor<i32>, tensor<3xf32>, tensor<5x3xf32>, tensor<3xf32>, tensor<5x3xf32>
  }) : (tensor<i32>, tensor<3xf32>, tensor<5x3xf32>, tensor<3xf32>, tensor<5x3xf32>) -> (tensor<i32>, tensor<3xf32>, tensor<5x3xf32>, tensor<3xf32>, tensor<5x3xf32>)
  return %25#1, %25#2 : tensor<3xf32>, tensor<5x3xf32>
}
}
