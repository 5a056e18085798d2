// The table of C functions through which the engine reaches every policy, built in or plugin. No Swift type crosses: a
// plugin carries its own copy of this module, and two copies of one Swift type are two types to the runtime. Only
// pointers, integers, UTF-8 text and the two view storages go over, and both sides compare their versions before they
// read the first field.

/// The C functions of one policy type and of its instances.
struct PolicyTable {
  /// Bytes of this struct: a last check that both sides mean the same table.
  let size: Int
  /// The type, handed back to `describe` and `create`.
  let context: UnsafeMutableRawPointer

  /// Writes the type's description (see PolicyDescription) if `capacity` allows, and returns the bytes it needs.
  let describe: @convention(c) (UnsafeMutableRawPointer, _ buffer: UnsafeMutablePointer<UInt8>?, _ capacity: Int) -> Int
  /// Makes an instance from text and the values of its weights, or writes an error and its length and returns nil.
  let create:
    @convention(c) (
      UnsafeMutableRawPointer, _ text: UnsafePointer<UInt8>, _ length: Int,
      _ values: UnsafePointer<Float>, _ count: Int,
      _ error: UnsafeMutablePointer<UInt8>, _ capacity: Int, _ errorLength: UnsafeMutablePointer<Int>
    ) -> UnsafeMutableRawPointer?
  /// Ends an instance.
  let destroy: @convention(c) (UnsafeMutableRawPointer) -> Void

  /// Whether the policy is active after a layer, counted from 1; 0 is the entry.
  let isActive: @convention(c) (UnsafeMutableRawPointer, _ layer: Int) -> Bool
  /// The declared signals as bits, in the order of the enum's cases.
  let reads: @convention(c) (UnsafeMutableRawPointer) -> UInt64
  /// When in its layer a pruning policy decides, as the index of PruningMoment's case.
  let moment: @convention(c) (UnsafeMutableRawPointer) -> Int
  /// What becomes of tokens that do not stay, as the index of Remainder's case.
  let remainder: @convention(c) (UnsafeMutableRawPointer) -> Int
  /// Writes where each token of `TokenViewStorage` goes; each element is its own place on entry.
  let merge: @convention(c) (UnsafeMutableRawPointer, UnsafeRawPointer, UnsafeMutablePointer<Int32>) -> Void
  /// Returns the retention's case (0 all, 1 above, 2 fraction, 3 count, 4 fractionOfText) and writes its payload's bits.
  let retention: @convention(c) (UnsafeMutableRawPointer, _ layer: Int, _ payload: UnsafeMutablePointer<Int>) -> Int
  /// Scores `TokenViewStorage` into as many floats, which are zero on entry.
  let score: @convention(c) (UnsafeMutableRawPointer, UnsafeRawPointer, UnsafeMutablePointer<Float>) -> Void

  /// Size, distance and alignment of samples' memories; the size is 0 for a policy without memory.
  let memorySize: Int
  let memoryStride: Int
  let memoryAlignment: Int
  /// Makes and ends one sample's memory in place.
  let initializeMemory: @convention(c) (UnsafeMutableRawPointer, _ memory: UnsafeMutableRawPointer) -> Void
  let destroyMemory: @convention(c) (UnsafeMutableRawPointer, _ memory: UnsafeMutableRawPointer) -> Void
  /// Decides about `ExitViewStorage` with the sample's memory.
  let shouldExit: @convention(c) (UnsafeMutableRawPointer, UnsafeRawPointer, _ memory: UnsafeMutableRawPointer) -> Bool
}

/// What a plugin's entry returns: its tables, one for each policy type.
struct PluginTable {
  let size: Int
  let count: Int
  let tables: UnsafePointer<PolicyTable>
}

extension Retention {
  /// The case and the payload as integers.
  var encoded: (kind: Int, payload: Int) {
    switch self {
    case .all: (0, 0)
    case .above(let threshold): (1, Int(threshold.bitPattern))
    case .fraction(let fraction): (2, Int(fraction.bitPattern))
    case .count(let count): (3, count)
    case .fractionOfText(let fraction): (4, Int(fraction.bitPattern))
    }
  }

  /// The retention of a case and payload; an unknown case keeps everything.
  init(kind: Int, payload: Int) {
    switch kind {
    case 1: self = .above(Float(bitPattern: UInt32(truncatingIfNeeded: payload)))
    case 2: self = .fraction(Float(bitPattern: UInt32(truncatingIfNeeded: payload)))
    case 3: self = .count(payload)
    case 4: self = .fractionOfText(Float(bitPattern: UInt32(truncatingIfNeeded: payload)))
    default: self = .all
    }
  }
}
