// bessel_i0e of f32: values
module @main {
func.func public @main(%arg0: tensor<3x4xf32>) -> (tensor<3x4xf32>) {
  %0 = "stablehlo.abs"(%arg0) : (tensor<3x4xf32>) -> tensor<3x4xf32>
  %1 = "stablehlo.constant"() {value = dense<8.0> : tensor<f32>} : () -> tensor<f32>
  %2 = "stablehlo.broadcast_in_dim"(%1) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<3x4xf32>
  %3 = "stablehlo.compare"(%0, %2) {comparison_direction = #stablehlo<comparison_direction LE>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xi1>
  %4 = "stablehlo.constant"() {value = dense<0.5> : tensor<3x4xf32>} : () -> tensor<3x4xf32>
  %5 = "stablehlo.multiply"(%0, %4) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %6 = "stablehlo.constant"() {value = dense<2.0> : tensor<3x4xf32>} : () -> tensor<3x4xf32>
  %7 = "stablehlo.subtract"(%5, %6) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %8 = "stablehlo.constant"() {value = dense<0.0> : tensor<3x4xf32>} : () -> tensor<3x4xf32>
  %9 = "stablehlo.multiply"(%7, %8) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %10 = "stablehlo.subtract"(%9, %8) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %11 = "stablehlo.constant"() {value = dense<-1.300025e-8> : tensor<3x4xf32>} : () -> tensor<3x4xf32>
  %12 = "stablehlo.add"(%10, %11) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %13 = "stablehlo.multiply"(%7, %12) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %14 = "stablehlo.subtract"(%13, %8) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %15 = "stablehlo.constant"() {value = dense<6.046995e-8> : tensor<3x4xf32>} : () -> tensor<3x4xf32>
  %16 = "stablehlo.add"(%14, %15) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %17 = "stablehlo.multiply"(%7, %16) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %18 = "stablehlo.subtract"(%17, %12) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %19 = "stablehlo.constant"() {value = dense<-2.6707937e-7> : tensor<3x4xf32>} : () -> tensor<3x4xf32>
  %20 = "stablehlo.add"(%18, %19) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %21 = "stablehlo.multiply"(%7, %20) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %22 = "stablehlo.subtract"(%21, %16) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %23 = "stablehlo.constant"() {value = dense<1.1173876e-6> : tensor<3x4xf32>} : () -> tensor<3x4xf32>
  %24 = "stablehlo.add"(%22, %23) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %25 = "stablehlo.multiply"(%7, %24) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %26 = "stablehlo.subtract"(%25, %20) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %27 = "stablehlo.constant"() {value = dense<-4.416738e-6> : tensor<3x4xf32>} : () -> tensor<3x4xf32>
  %28 = "stablehlo.add"(%26, %27) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %29 = "stablehlo.multiply"(%7, %28) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %30 = "stablehlo.subtract"(%29, %24) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %31 = "stablehlo.constant"() {value = dense<1.6448448e-5> : tensor<3x4xf32>} : () -> tensor<3x4xf32>
  %32 = "stablehlo.add"(%30, %31) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %33 = "stablehlo.multiply"(%7, %32) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %34 = "stablehlo.subtract"(%33, %28) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %35 = "stablehlo.constant"() {value = dense<-5.754195e-5> : tensor<3x4xf32>} : () -> tensor<3x4xf32>
  %36 = "stablehlo.add"(%34, %35) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %37 = "stablehlo.multiply"(%7, %36) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %38 = "stablehlo.subtract"(%37, %32) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %39 = "stablehlo.constant"() {value = dense<0.00018850289> : tensor<3x4xf32>} : () -> tensor<3x4xf32>
  %40 = "stablehlo.add"(%38, %39) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %41 = "stablehlo.multiply"(%7, %40) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %42 = "stablehlo.subtract"(%41, %36) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %43 = "stablehlo.constant"() {value = dense<-0.0005763756> : tensor<3x4xf32>} : () -> tensor<3x4xf32>
  %44 = "stablehlo.add"(%42, %43) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %45 = "stablehlo.multiply"(%7, %44) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %46 = "stablehlo.subtract"(%45, %40) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %47 = "stablehlo.constant"() {value = dense<0.0016394756> : tensor<3x4xf32>} : () -> tensor<3x4xf32>
  %48 = "stablehlo.add"(%46, %47) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %49 = "stablehlo.multiply"(%7, %48) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %50 = "stablehlo.subtract"(%49, %44) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %51 = "stablehlo.constant"() {value = dense<-0.00432431> : tensor<3x4xf32>} : () -> tensor<3x4xf32>
  %52 = "stablehlo.add"(%50, %51) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %53 = "stablehlo.multiply"(%7, %52) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %54 = "stablehlo.subtract"(%53, %48) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %55 = "stablehlo.constant"() {value = dense<0.010546461> : tensor<3x4xf32>} : () -> tensor<3x4xf32>
  %56 = "stablehlo.add"(%54, %55) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %57 = "stablehlo.multiply"(%7, %56) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %58 = "stablehlo.subtract"(%57, %52) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %59 = "stablehlo.constant"() {value = dense<-0.023737416> : tensor<3x4xf32>} : () -> tensor<3x4xf32>
  %60 = "stablehlo.add"(%58, %59) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %61 = "stablehlo.multiply"(%7, %60) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %62 = "stablehlo.subtract"(%61, %56) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %63 = "stablehlo.constant"() {value = dense<0.049305283> : tensor<3x4xf32>} : () -> tensor<3x4xf32>
  %64 = "stablehlo.add"(%62, %63) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %65 = "stablehlo.multiply"(%7, %64) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %66 = "stablehlo.subtract"(%65, %60) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %67 = "stablehlo.constant"() {value = dense<-0.0949011> : tensor<3x4xf32>} : () -> tensor<3x4xf32>
  %68 = "stablehlo.add"(%66, %67) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %69 = "stablehlo.multiply"(%7, %68) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %70 = "stablehlo.subtract"(%69, %64) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %71 = "stablehlo.constant"() {value = dense<0.1716209> : tensor<3x4xf32>} : () -> tensor<3x4xf32>
  %72 = "stablehlo.add"(%70, %71) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %73 = "stablehlo.multiply"(%7, %72) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %74 = "stablehlo.subtract"(%73, %68) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %75 = "stablehlo.constant"() {value = dense<-0.30468267> : tensor<3x4xf32>} : () -> tensor<3x4xf32>
  %76 = "stablehlo.add"(%74, %75) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %77 = "stablehlo.multiply"(%7, %76) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %78 = "stablehlo.subtract"(%77, %72) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %79 = "stablehlo.constant"() {value = dense<0.6767953> : tensor<3x4xf32>} : () -> tensor<3x4xf32>
  %80 = "stablehlo.add"(%78, %79) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %81 = "stablehlo.subtract"(%80, %72) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %82 = "stablehlo.multiply"(%81, %4) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %83 = "stablehlo.constant"() {value = dense<32.0> : tensor<3x4xf32>} : () -> tensor<3x4xf32>
  %84 = "stablehlo.divide"(%83, %0) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %85 = "stablehlo.subtract"(%84, %6) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %86 = "stablehlo.multiply"(%85, %8) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %87 = "stablehlo.subtract"(%86, %8) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %88 = "stablehlo.constant"() {value = dense<3.396232e-9> : tensor<3x4xf32>} : () -> tensor<3x4xf32>
  %89 = "stablehlo.add"(%87, %88) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %90 = "stablehlo.multiply"(%85, %89) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %91 = "stablehlo.subtract"(%90, %8) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %92 = "stablehlo.constant"() {value = dense<2.266669e-8> : tensor<3x4xf32>} : () -> tensor<3x4xf32>
  %93 = "stablehlo.add"(%91, %92) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %94 = "stablehlo.multiply"(%85, %93) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %95 = "stablehlo.subtract"(%94, %89) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %96 = "stablehlo.constant"() {value = dense<2.0489186e-7> : tensor<3x4xf32>} : () -> tensor<3x4xf32>
  %97 = "stablehlo.add"(%95, %96) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %98 = "stablehlo.multiply"(%85, %97) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %99 = "stablehlo.subtract"(%98, %93) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %100 = "stablehlo.constant"() {value = dense<2.8913705e-6> : tensor<3x4xf32>} : () -> tensor<3x4xf32>
  %101 = "stablehlo.add"(%99, %100) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %102 = "stablehlo.multiply"(%85, %101) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %103 = "stablehlo.subtract"(%102, %97) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %104 = "stablehlo.constant"() {value = dense<6.8897585e-5> : tensor<3x4xf32>} : () -> tensor<3x4xf32>
  %105 = "stablehlo.add"(%103, %104) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %106 = "stablehlo.multiply"(%85, %105) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %107 = "stablehlo.subtract"(%106, %101) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %108 = "stablehlo.constant"() {value = dense<0.0033691165> : tensor<3x4xf32>} : () -> tensor<3x4xf32>
  %109 = "stablehlo.add"(%107, %108) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %110 = "stablehlo.multiply"(%85, %109) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %111 = "stablehlo.subtract"(%110, %105) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %112 = "stablehlo.constant"() {value = dense<0.8044904> : tensor<3x4xf32>} : () -> tensor<3x4xf32>
  %113 = "stablehlo.add"(%111, %112) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %114 = "stablehlo.subtract"(%113, %105) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %115 = "stablehlo.multiply"(%114, %4) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %116 = "stablehlo.sqrt"(%0) : (tensor<3x4xf32>) -> tensor<3x4xf32>
  %117 = "stablehlo.divide"(%115, %116) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %118 = "stablehlo.select"(%3, %82, %117) : (tensor<3x4xi1>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  return %118 : tensor<3x4xf32>
}
}
