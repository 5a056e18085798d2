// What the IR's words are called in C. Separate because every call needs them, and nothing but a call does.

import CPyramidKernels
import PyramidIR

extension Precision {
  /// The kernels' number for it.
  var number: mp_precision {
    switch self {
    case .f32: MP_PRECISION_F32
    case .bf16: MP_PRECISION_BF16
    case .int8: MP_PRECISION_INT8
    }
  }
}

extension Activation {
  /// The kernels' number for it.
  var number: mp_activation {
    switch self {
    case .none: MP_ACTIVATION_NONE
    case .gelu: MP_ACTIVATION_GELU
    case .geluTanh: MP_ACTIVATION_GELU_TANH
    case .relu: MP_ACTIVATION_RELU
    case .tanh: MP_ACTIVATION_TANH
    case .sigmoid: MP_ACTIVATION_SIGMOID
    }
  }
}
