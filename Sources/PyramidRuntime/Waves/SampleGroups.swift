// The groups of samples in flight, for a policy that compares a sample with the others of its group: what each member's
// latest head said. A member that has left keeps its last number, so that the others are compared with it to the end.

/// The groups of a loop's samples. A sample that was handed in alone is a group of one.
struct SampleGroups {
  private let capacity: Int
  private let widest: Int
  /// [capacity, widest] numbers, and of each group its members and those that have not left.
  private let numbers: UnsafeMutablePointer<Float>
  private let members: UnsafeMutablePointer<Int32>
  private let alive: UnsafeMutablePointer<Int32>
  /// Of each slot the group and the place in it.
  private let places: UnsafeMutablePointer<(group: Int32, member: Int32)>
  private let stack: UnsafeMutablePointer<Int32>
  private var free: Int
  private var last: Int32 = -1

  /// Takes memory for `capacity` slots and groups of at most `widest` members from the arena.
  init(_ capacity: Int, widest: Int, arena: Arena) throws {
    (self.capacity, self.widest, free) = (capacity, widest, capacity)
    numbers = try arena.take(Float.self, capacity * widest)
    members = try arena.take(Int32.self, capacity)
    alive = try arena.take(Int32.self, capacity)
    places = try arena.take((group: Int32, member: Int32).self, capacity)
    stack = try arena.take(Int32.self, capacity)
    for index in 0..<capacity { stack[index] = Int32(index) }
  }

  /// Notes the sample of a slot: the first of a group, or one more of the group that was noted last.
  mutating func admit(_ slot: Int, joinsGroup: Bool) {
    if !joinsGroup {
      free -= 1
      last = stack[free]
      (members[Int(last)], alive[Int(last)]) = (0, 0)
    }
    let group = Int(last)
    places[slot] = (last, members[group])
    numbers[group * widest + Int(members[group])] = -.infinity
    members[group] += 1
    alive[group] += 1
  }

  /// Notes what a head says of the sample of a slot.
  func note(_ number: Float, of slot: Int) {
    let place = places[slot]
    numbers[Int(place.group) * widest + Int(place.member)] = number
  }

  /// The latest numbers of all members of a slot's group.
  func numbers(of slot: Int) -> UnsafeBufferPointer<Float> {
    let group = Int(places[slot].group)
    return UnsafeBufferPointer(start: numbers + group * widest, count: Int(members[group]))
  }

  /// Notes that the sample of a slot has left; its group ends with the last one.
  mutating func leave(_ slot: Int) {
    let group = places[slot].group
    alive[Int(group)] -= 1
    guard alive[Int(group)] == 0 else { return }
    stack[free] = group
    free += 1
  }
}
