// Samples in flight have seats: records and policy memories are kept by seat, so that they need no more room than the
// waves, however many samples pass through. The graph's "numbers of the samples" are seats.

/// Which seats are taken, and by whom.
struct SampleSeats {
  private let owners: UnsafeMutablePointer<Int32>
  private let stack: UnsafeMutablePointer<Int32>
  private let capacity: Int
  /// Seats that nobody has.
  private(set) var free = 0

  /// More than anybody needs; their numbers are written when an executor is made.
  static let most = 1 << 22

  /// Takes memory for `capacity` seats, all free.
  init(capacity: Int, arena: Arena) {
    self.capacity = capacity
    owners = arena.take(Int32.self, capacity)
    stack = arena.take(Int32.self, capacity)
    // The lowest are given first.
    for index in 0..<capacity { stack[index] = Int32(capacity - 1 - index) }
    free = capacity
  }

  /// Bytes that `init` takes.
  static func bytes(capacity: Int) -> Int { 2 * Arena.bytes(Int32.self, capacity) }

  /// Gives a seat to sample `owner` of the batch.
  mutating func take(for owner: Int) -> Int {
    precondition(free > 0, "more samples in flight than seats")
    free -= 1
    let seat = Int(stack[free])
    owners[seat] = Int32(owner)
    return seat
  }

  /// Takes a seat back.
  mutating func release(_ seat: Int) {
    precondition(free < capacity, "a seat is given back twice")
    stack[free] = Int32(seat)
    free += 1
  }

  /// The sample of the batch that has a seat.
  func owner(of seat: Int) -> Int { Int(owners[seat]) }
}
