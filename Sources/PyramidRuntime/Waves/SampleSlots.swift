// Samples in flight have slots: records and policy memories are kept by slot, so that they need no more room than the
// waves, however many samples pass through. The graph's "numbers of the samples" are slots.

import PyramidIR

/// What is kept of each sample in flight.
struct SampleSlots {
  private let ids: UnsafeMutablePointer<SampleID>
  private let stack: UnsafeMutablePointer<Int32>
  private let capacity: Int
  private var free: Int
  private let tokenDims: Int
  private let tokenCounts: UnsafeMutablePointer<Int32>
  private let sampleDims: Int
  private let presences: UnsafeMutablePointer<Int32>
  private let memories: UnsafeMutableRawPointer
  private let memoryStride: Int
  private let longest: Int
  private let allDrops: UnsafeMutablePointer<Int32>?
  private let longestText: Int
  /// Of each slot the number of its sample's words, then their ids.
  private let allWords: UnsafeMutablePointer<Int32>?

  /// More than any machine needs; their numbers are written when an executor is made.
  private static let most = 1 << 22

  /// Takes memory for `capacity` slots, all free. `memory` is the stride and alignment of a policy's memory of a
  /// sample; `longest` the most tokens of a sample whose dropped tokens are recorded, 0 when they are not; `longestText`
  /// the same for words' ids.
  init(
    _ capacity: Int, program: Program, memory: (stride: Int, alignment: Int), longest: Int, longestText: Int,
    arena: Arena
  ) throws {
    guard capacity <= Self.most else {
      throw RuntimeError("room for \(capacity) samples at once is more than \(Self.most)")
    }
    self.capacity = capacity
    (self.longest, self.longestText) = (longest, longestText)
    (tokenDims, sampleDims, memoryStride) = (program.tokenDims, program.sampleDims, max(memory.stride, 1))
    ids = try arena.take(SampleID.self, capacity)
    stack = try arena.take(Int32.self, capacity)
    tokenCounts = try arena.take(Int32.self, capacity * tokenDims)
    presences = try arena.take(Int32.self, capacity * sampleDims)
    let raw = UnsafeMutableRawPointer(try arena.take(UInt8.self, capacity * memoryStride + memory.alignment))
    memories = raw.alignedUp(toMultipleOf: memory.alignment)
    allDrops = longest > 0 ? try arena.take(Int32.self, capacity * longest) : nil
    allWords = longestText > 0 ? try arena.take(Int32.self, capacity * (longestText + 1)) : nil
    // The lowest are given first.
    for index in 0..<capacity { stack[index] = Int32(capacity - 1 - index) }
    free = capacity
  }

  /// Gives a sample of `tokens` tokens a slot with fresh records.
  mutating func take(for id: SampleID, tokens: Int) -> Int {
    precondition(free > 0, "more samples in flight than slots")
    free -= 1
    let slot = Int(stack[free])
    ids[slot] = id
    self.tokens(of: slot).update(repeating: 0)
    presence(of: slot).update(repeating: 0)
    self.tokens(of: slot)[0] = Int32(tokens)
    presence(of: slot)[0] = 1
    drops(of: slot)?.update(repeating: .max)
    return slot
  }

  /// Takes a slot back.
  mutating func release(_ slot: Int) {
    precondition(free < capacity, "a slot is given back twice")
    stack[free] = Int32(slot)
    free += 1
  }

  /// The sample that has a slot.
  func id(of slot: Int) -> SampleID { ids[slot] }

  /// The policy memory of a slot.
  func memory(of slot: Int) -> UnsafeMutableRawPointer { memories + slot * memoryStride }

  /// Tokens of a slot's sample in every token dim.
  func tokens(of slot: Int) -> UnsafeMutableBufferPointer<Int32> {
    UnsafeMutableBufferPointer(start: tokenCounts + slot * tokenDims, count: tokenDims)
  }

  /// 1 for every sample dim that a slot's sample is in, else 0.
  func presence(of slot: Int) -> UnsafeMutableBufferPointer<Int32> {
    UnsafeMutableBufferPointer(start: presences + slot * sampleDims, count: sampleDims)
  }

  /// The boundary at which each token of a slot's sample was dropped; nil when that is not recorded.
  func drops(of slot: Int) -> UnsafeMutableBufferPointer<Int32>? {
    allDrops.map { UnsafeMutableBufferPointer(start: $0 + slot * longest, count: Int(tokens(of: slot)[0])) }
  }

  /// Notes the words among the tokens of a slot's sample, where that is asked for: see `ExitSignal.tokenIDs`.
  func keepWords(of slot: Int, _ ids: UnsafeBufferPointer<Int32>) {
    guard let words = allWords.map({ $0 + slot * (longestText + 1) }), let last = ids.last else { return }
    words[0] = 0
    for id in ids where id != ids[0] && id != last {
      words[0] += 1
      words[Int(words[0])] = id
    }
  }

  /// What was noted.
  func words(of slot: Int) -> (ids: UnsafePointer<Int32>?, count: Int) {
    guard let words = allWords.map({ $0 + slot * (longestText + 1) }) else { return (nil, 0) }
    return (UnsafePointer(words + 1), Int(words[0]))
  }
}
