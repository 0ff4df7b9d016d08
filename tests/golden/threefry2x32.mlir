// threefry2x32 of u32: matrix
module @main {
func.func public @main(%arg0: tensor<3x4xui32>, %arg1: tensor<3x4xui32>, %arg2: tensor<3x4xui32>, %arg3: tensor<3x4xui32>) -> (tensor<3x4xui32>, tensor<3x4xui32>) {
  %139:2 = call @threefry2x32_3_4(%arg0, %arg1, %arg2, %arg3) : (tensor<3x4xui32>, tensor<3x4xui32>, tensor<3x4xui32>, tensor<3x4xui32>) -> (tensor<3x4xui32>, tensor<3x4xui32>)
  return %139#0, %139#1 : tensor<3x4xui32>, tensor<3x4xui32>
}
func.func private @threefry2x32_3_4(%a0: tensor<3x4xui32>, %a1: tensor<3x4xui32>, %a2: tensor<3x4xui32>, %a3: tensor<3x4xui32>) -> (tensor<3x4xui32>, tensor<3x4xui32>) {
  %4 = "stablehlo.xor"(%a0, %a1) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %5 = "stablehlo.constant"() {value = dense<466688986> : tensor<3x4xui32>} : () -> tensor<3x4xui32>
  %6 = "stablehlo.xor"(%4, %5) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %7 = "stablehlo.add"(%a2, %a0) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %8 = "stablehlo.add"(%a3, %a1) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %9 = "stablehlo.add"(%7, %8) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %10 = "stablehlo.constant"() {value = dense<13> : tensor<3x4xui32>} : () -> tensor<3x4xui32>
  %11 = "stablehlo.constant"() {value = dense<19> : tensor<3x4xui32>} : () -> tensor<3x4xui32>
  %12 = "stablehlo.shift_left"(%8, %10) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %13 = "stablehlo.shift_right_logical"(%8, %11) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %14 = "stablehlo.or"(%12, %13) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %15 = "stablehlo.xor"(%14, %9) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %16 = "stablehlo.add"(%9, %15) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %17 = "stablehlo.constant"() {value = dense<15> : tensor<3x4xui32>} : () -> tensor<3x4xui32>
  %18 = "stablehlo.constant"() {value = dense<17> : tensor<3x4xui32>} : () -> tensor<3x4xui32>
  %19 = "stablehlo.shift_left"(%15, %17) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %20 = "stablehlo.shift_right_logical"(%15, %18) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %21 = "stablehlo.or"(%19, %20) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %22 = "stablehlo.xor"(%21, %16) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %23 = "stablehlo.add"(%16, %22) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %24 = "stablehlo.constant"() {value = dense<26> : tensor<3x4xui32>} : () -> tensor<3x4xui32>
  %25 = "stablehlo.constant"() {value = dense<6> : tensor<3x4xui32>} : () -> tensor<3x4xui32>
  %26 = "stablehlo.shift_left"(%22, %24) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %27 = "stablehlo.shift_right_logical"(%22, %25) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %28 = "stablehlo.or"(%26, %27) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %29 = "stablehlo.xor"(%28, %23) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %30 = "stablehlo.add"(%23, %29) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %31 = "stablehlo.shift_left"(%29, %25) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %32 = "stablehlo.shift_right_logical"(%29, %24) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %33 = "stablehlo.or"(%31, %32) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %34 = "stablehlo.xor"(%33, %30) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %35 = "stablehlo.add"(%30, %a1) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %36 = "stablehlo.add"(%34, %6) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %37 = "stablehlo.constant"() {value = dense<1> : tensor<3x4xui32>} : () -> tensor<3x4xui32>
  %38 = "stablehlo.add"(%36, %37) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %39 = "stablehlo.add"(%35, %38) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %40 = "stablehlo.shift_left"(%38, %18) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %41 = "stablehlo.shift_right_logical"(%38, %17) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %42 = "stablehlo.or"(%40, %41) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %43 = "stablehlo.xor"(%42, %39) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %44 = "stablehlo.add"(%39, %43) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %45 = "stablehlo.constant"() {value = dense<29> : tensor<3x4xui32>} : () -> tensor<3x4xui32>
  %46 = "stablehlo.constant"() {value = dense<3> : tensor<3x4xui32>} : () -> tensor<3x4xui32>
  %47 = "stablehlo.shift_left"(%43, %45) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %48 = "stablehlo.shift_right_logical"(%43, %46) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %49 = "stablehlo.or"(%47, %48) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %50 = "stablehlo.xor"(%49, %44) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %51 = "stablehlo.add"(%44, %50) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %52 = "stablehlo.constant"() {value = dense<16> : tensor<3x4xui32>} : () -> tensor<3x4xui32>
  %53 = "stablehlo.shift_left"(%50, %52) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %54 = "stablehlo.shift_right_logical"(%50, %52) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %55 = "stablehlo.or"(%53, %54) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %56 = "stablehlo.xor"(%55, %51) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %57 = "stablehlo.add"(%51, %56) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %58 = "stablehlo.constant"() {value = dense<24> : tensor<3x4xui32>} : () -> tensor<3x4xui32>
  %59 = "stablehlo.constant"() {value = dense<8> : tensor<3x4xui32>} : () -> tensor<3x4xui32>
  %60 = "stablehlo.shift_left"(%56, %58) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %61 = "stablehlo.shift_right_logical"(%56, %59) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %62 = "stablehlo.or"(%60, %61) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %63 = "stablehlo.xor"(%62, %57) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %64 = "stablehlo.add"(%57, %6) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %65 = "stablehlo.add"(%63, %a0) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %66 = "stablehlo.constant"() {value = dense<2> : tensor<3x4xui32>} : () -> tensor<3x4xui32>
  %67 = "stablehlo.add"(%65, %66) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %68 = "stablehlo.add"(%64, %67) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %69 = "stablehlo.shift_left"(%67, %10) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %70 = "stablehlo.shift_right_logical"(%67, %11) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %71 = "stablehlo.or"(%69, %70) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %72 = "stablehlo.xor"(%71, %68) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %73 = "stablehlo.add"(%68, %72) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %74 = "stablehlo.shift_left"(%72, %17) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %75 = "stablehlo.shift_right_logical"(%72, %18) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %76 = "stablehlo.or"(%74, %75) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %77 = "stablehlo.xor"(%76, %73) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %78 = "stablehlo.add"(%73, %77) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %79 = "stablehlo.shift_left"(%77, %24) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %80 = "stablehlo.shift_right_logical"(%77, %25) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %81 = "stablehlo.or"(%79, %80) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %82 = "stablehlo.xor"(%81, %78) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %83 = "stablehlo.add"(%78, %82) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %84 = "stablehlo.shift_left"(%82, %25) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %85 = "stablehlo.shift_right_logical"(%82, %24) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %86 = "stablehlo.or"(%84, %85) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %87 = "stablehlo.xor"(%86, %83) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %88 = "stablehlo.add"(%83, %a0) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %89 = "stablehlo.add"(%87, %a1) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %90 = "stablehlo.add"(%89, %46) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %91 = "stablehlo.add"(%88, %90) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %92 = "stablehlo.shift_left"(%90, %18) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %93 = "stablehlo.shift_right_logical"(%90, %17) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %94 = "stablehlo.or"(%92, %93) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %95 = "stablehlo.xor"(%94, %91) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %96 = "stablehlo.add"(%91, %95) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %97 = "stablehlo.shift_left"(%95, %45) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %98 = "stablehlo.shift_right_logical"(%95, %46) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %99 = "stablehlo.or"(%97, %98) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %100 = "stablehlo.xor"(%99, %96) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %101 = "stablehlo.add"(%96, %100) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %102 = "stablehlo.shift_left"(%100, %52) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %103 = "stablehlo.shift_right_logical"(%100, %52) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %104 = "stablehlo.or"(%102, %103) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %105 = "stablehlo.xor"(%104, %101) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %106 = "stablehlo.add"(%101, %105) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %107 = "stablehlo.shift_left"(%105, %58) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %108 = "stablehlo.shift_right_logical"(%105, %59) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %109 = "stablehlo.or"(%107, %108) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %110 = "stablehlo.xor"(%109, %106) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %111 = "stablehlo.add"(%106, %a1) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %112 = "stablehlo.add"(%110, %6) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %113 = "stablehlo.constant"() {value = dense<4> : tensor<3x4xui32>} : () -> tensor<3x4xui32>
  %114 = "stablehlo.add"(%112, %113) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %115 = "stablehlo.add"(%111, %114) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %116 = "stablehlo.shift_left"(%114, %10) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %117 = "stablehlo.shift_right_logical"(%114, %11) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %118 = "stablehlo.or"(%116, %117) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %119 = "stablehlo.xor"(%118, %115) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %120 = "stablehlo.add"(%115, %119) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %121 = "stablehlo.shift_left"(%119, %17) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %122 = "stablehlo.shift_right_logical"(%119, %18) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %123 = "stablehlo.or"(%121, %122) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %124 = "stablehlo.xor"(%123, %120) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %125 = "stablehlo.add"(%120, %124) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %126 = "stablehlo.shift_left"(%124, %24) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %127 = "stablehlo.shift_right_logical"(%124, %25) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %128 = "stablehlo.or"(%126, %127) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %129 = "stablehlo.xor"(%128, %125) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %130 = "stablehlo.add"(%125, %129) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %131 = "stablehlo.shift_left"(%129, %25) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %132 = "stablehlo.shift_right_logical"(%129, %24) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %133 = "stablehlo.or"(%131, %132) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %134 = "stablehlo.xor"(%133, %130) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %135 = "stablehlo.add"(%130, %6) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %136 = "stablehlo.add"(%134, %a0) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  %137 = "stablehlo.constant"() {value = dense<5> : tensor<3x4xui32>} : () -> tensor<3x4xui32>
  %138 = "stablehlo.add"(%136, %137) : (tensor<3x4xui32>, tensor<3x4xui32>) -> tensor<3x4xui32>
  return %135, %138 : tensor<3x4xui32>, tensor<3x4xui32>
}
}
