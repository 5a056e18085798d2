// What a CPU has beside an instruction set, and which of it is used: by measured rates, or as the environment variable
// MP_FEATURES says. Separate from the sets, which alone decide how weights lie in an artefact: any artefact of a set
// runs with any features.

import CPyramidKernels
import Glibc

/// Instructions that some CPUs with a set have and others lack.
enum Feature: String, CaseIterable {
  case vnni
  case avxVNNI = "avx-vnni"
  case avx512BF16 = "avx512-bf16"
  case avx512FP16 = "avx512-fp16"
  case amxInt8 = "amx-int8"
  case amxBF16 = "amx-bf16"
  case dotprod
  case i8mm
  case bf16

  /// The kernels' bit for it.
  var bit: mp_isa {
    switch self {
    case .vnni: MP_FEATURE_VNNI
    case .avxVNNI: MP_FEATURE_AVX_VNNI
    case .avx512BF16: MP_FEATURE_AVX512_BF16
    case .avx512FP16: MP_FEATURE_AVX512_FP16
    case .amxInt8: MP_FEATURE_AMX_INT8
    case .amxBF16: MP_FEATURE_AMX_BF16
    case .dotprod: MP_FEATURE_DOTPROD
    case .i8mm: MP_FEATURE_I8MM
    case .bf16: MP_FEATURE_BF16
    }
  }

  /// Whether this CPU and operating system have it.
  var isPresent: Bool { mp_features_present().rawValue & bit.rawValue != 0 }

  /// The bits that kernels run with in this process. MP_FEATURES is read once: kernels must not change under a model.
  static let active = Result { () throws(KernelError) in
    try bits(getenv("MP_FEATURES").map { String(cString: $0) } ?? "")
  }

  /// The bits that MP_FEATURES asks for: `vnni,amx-int8` for these and no others, `-amx-bf16` for the usual ones without
  /// it, `none`, or nothing for the usual ones. Throws when one is unknown or absent, or when the two forms are mixed.
  private static func bits(_ text: String) throws(KernelError) -> UInt32 {
    if text.isEmpty { return mp_features_chosen().rawValue }
    if text == "none" { return 0 }
    let words = text.split(separator: ",", omittingEmptySubsequences: false)
    let removed = words.filter { $0.hasPrefix("-") }
    guard removed.isEmpty || removed.count == words.count else {
      throw KernelError("MP_FEATURES is '\(text)': name what is used, or what is left out with a '-' each, not both")
    }
    var bits = removed.isEmpty ? 0 : mp_features_chosen().rawValue
    for word in words {
      let name = String(removed.isEmpty ? word : word.dropFirst())
      guard let feature = Feature(rawValue: name) else {
        let known = allCases.map(\.rawValue).joined(separator: ", ")
        throw KernelError("MP_FEATURES names '\(name)', expected none, \(known), or some of these with a '-' each")
      }
      guard feature.isPresent else { throw KernelError("MP_FEATURES names '\(name)', which this CPU does not have") }
      if removed.isEmpty { bits |= feature.bit.rawValue } else { bits &= ~feature.bit.rawValue }
    }
    return bits
  }
}
