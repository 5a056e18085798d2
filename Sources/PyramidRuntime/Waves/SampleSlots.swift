// Samples in flight have slots: records and policy memories are kept by slot, so that they need no more room than the
// waves, however many samples pass through. The graph's "numbers of the samples" are slots.

import PyramidIR

/// What pruning did to the tokens of one sample, if that is recorded.
struct TokenRecord {
  /// The boundary at which each token was dropped, the entry is 0; `Int32.max` for one that lives.
  let drops: UnsafeMutableBufferPointer<Int32>
  /// What each token was given at each boundary, [tokens, layers]; NaN where it was not asked about.
  let scores: UnsafeMutableBufferPointer<Float>
}

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
  private let allScores: UnsafeMutablePointer<Float>?
  private let layers: Int
  private let longestText: Int
  /// Of each slot the number of its sample's words, then their ids.
  private let allWords: UnsafeMutablePointer<Int32>?
  private let tasks: Int
  private let classes: Int
  /// Of each slot and task the layer whose head answered, -1 before, and the logits of all tasks; nil for an ordinary
  /// model.
  private let allAnswered: UnsafeMutablePointer<Int32>?
  private let allLogits: UnsafeMutablePointer<Float>?

  /// More than any machine needs; their numbers are written when an executor is made.
  private static let most = 1 << 22

  /// Takes memory for `capacity` slots, all free. `memory` is the stride and alignment of a policy's memory of a
  /// sample, of which there is one for each task of `shape`; `longest` the most tokens of a sample whose scores and dropped tokens are recorded, 0 when they are not;
  /// `longestText` the same for words' ids.
  init(
    _ capacity: Int, program: Program, shape: ModelShape, memory: (stride: Int, alignment: Int), longest: Int,
    longestText: Int, arena: Arena
  ) throws {
    guard capacity <= Self.most else {
      throw RuntimeError("room for \(capacity) samples at once is more than \(Self.most)")
    }
    self.capacity = capacity
    (layers, self.longest, self.longestText) = (shape.layers, longest, longestText)
    (tasks, classes) = (shape.answered.count, shape.classes)
    (tokenDims, sampleDims, memoryStride) = (program.tokenDims, program.sampleDims, max(memory.stride, 1))
    allAnswered = shape.tasks.isEmpty ? nil : try arena.take(Int32.self, capacity * tasks)
    allLogits = shape.tasks.isEmpty ? nil : try arena.take(Float.self, capacity * classes)
    ids = try arena.take(SampleID.self, capacity)
    stack = try arena.take(Int32.self, capacity)
    tokenCounts = try arena.take(Int32.self, capacity * tokenDims)
    presences = try arena.take(Int32.self, capacity * sampleDims)
    let raw = UnsafeMutableRawPointer(try arena.take(UInt8.self, capacity * tasks * memoryStride + memory.alignment))
    memories = raw.alignedUp(toMultipleOf: memory.alignment)
    allDrops = longest > 0 ? try arena.take(Int32.self, capacity * longest) : nil
    allScores = longest > 0 ? try arena.take(Float.self, capacity * longest * layers) : nil
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
    answered(of: slot)?.update(repeating: -1)
    record(of: slot)?.drops.update(repeating: .max)
    record(of: slot)?.scores.update(repeating: .nan)
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

  /// The policy memory of a slot for a task.
  func memory(of slot: Int, _ task: Int) -> UnsafeMutableRawPointer {
    memories + (slot * tasks + task) * memoryStride
  }

  /// The layer whose head answered each task of a slot's sample, -1 where it is open; nil for an ordinary
  /// model.
  func answered(of slot: Int) -> UnsafeMutableBufferPointer<Int32>? {
    allAnswered.map { UnsafeMutableBufferPointer(start: $0 + slot * tasks, count: tasks) }
  }

  /// The logits of the tasks of a slot's sample that are answered, those of all side by side; nil for an ordinary
  /// model.
  func logits(of slot: Int) -> UnsafeMutablePointer<Float>? { allLogits.map { $0 + slot * classes } }

  /// Tokens of a slot's sample in every token dim.
  func tokens(of slot: Int) -> UnsafeMutableBufferPointer<Int32> {
    UnsafeMutableBufferPointer(start: tokenCounts + slot * tokenDims, count: tokenDims)
  }

  /// 1 for every sample dim that a slot's sample is in, else 0.
  func presence(of slot: Int) -> UnsafeMutableBufferPointer<Int32> {
    UnsafeMutableBufferPointer(start: presences + slot * sampleDims, count: sampleDims)
  }

  /// What is recorded of the tokens of a slot's sample; nil when nothing is.
  func record(of slot: Int) -> TokenRecord? {
    guard let allDrops, let allScores else { return nil }
    let count = Int(tokens(of: slot)[0])
    return TokenRecord(
      drops: UnsafeMutableBufferPointer(start: allDrops + slot * longest, count: count),
      scores: UnsafeMutableBufferPointer(start: allScores + slot * longest * layers, count: count * layers))
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
