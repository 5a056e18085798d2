// What clients send is held in memory until it is answered, or at least whole: of all clients together it has a bound.

#if Server
  import Synchronization

  /// Bytes of requests that are on their way.
  final class BytesUnderway: Sendable {
    /// Of one request.
    let largest: Int
    private let count = Atomic(0)

    /// Room for 64 of the largest requests.
    init(largest: Int) { self.largest = largest }

    /// Counts bytes more. False where there was no room for them; they are counted until they are removed all the same.
    func add(_ bytes: Int) -> Bool {
      // 64 times the largest may be more than there are numbers.
      count.add(bytes, ordering: .relaxed).newValue / 64 < largest
    }

    func remove(_ bytes: Int) { count.subtract(bytes, ordering: .relaxed) }
  }
#endif
