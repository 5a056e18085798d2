// The two kinds of policies travel together: as specifications that a user wrote or a graph holds, as instances that an
// executor asks. One type carries either, so that no module pairs them anew.

/// What there is of each kind of policy.
public struct PolicyPair<Element> {
  /// Of the exit policy; nil for none.
  public var exit: Element?
  /// Of the pruning policy; nil for none.
  public var prune: Element?

  /// A pair; nothing of either kind unless given.
  public init(exit: Element? = nil, prune: Element? = nil) {
    self.exit = exit
    self.prune = prune
  }

  /// What there is of a kind.
  public subscript(kind: PolicyKind) -> Element? {
    get { kind == .exit ? exit : prune }
    set { if kind == .exit { exit = newValue } else { prune = newValue } }
  }

  /// What is there, exit first.
  public var all: [(kind: PolicyKind, element: Element)] {
    PolicyKind.allCases.compactMap { kind in self[kind].map { (kind, $0) } }
  }

  /// Whether there is nothing of either kind.
  public var isEmpty: Bool { exit == nil && prune == nil }

  /// The pair of what `transform` makes of each that is there.
  public func map<Other, Failure: Error>(
    _ transform: (PolicyKind, Element) throws(Failure) -> Other
  ) throws(Failure) -> PolicyPair<Other> {
    var other = PolicyPair<Other>()
    for (kind, element) in all { other[kind] = try transform(kind, element) }
    return other
  }
}

extension PolicyPair: Sendable where Element: Sendable {}
extension PolicyPair: Equatable where Element: Equatable {}
