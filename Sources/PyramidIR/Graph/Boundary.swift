// Where policies decide: before the first layer or between two. It is a value of its own because three numberings meet
// here: layers of the IR count from 0, layers of policies and answers from 1, and there the entry is 0.

/// A place between two layers, or before the first.
public enum Boundary: Hashable, Comparable, Sendable, CustomStringConvertible {
  /// Before layer 1: nothing has been computed but what the tokens' ids say.
  case entry
  /// After a layer, from 0.
  case after(Int)

  static let entryWord = "entry"

  /// What policies and answers call it: 0 for the entry, else the layer before it, from 1.
  public var number: Int {
    switch self {
    case .entry: 0
    case .after(let layer): layer + 1
    }
  }

  /// The section that its decisions stand in.
  public var section: Section {
    switch self {
    case .entry: .entry
    case .after(let layer): .layer(layer)
    }
  }

  /// As it stands in a list of the text form: `entry`, or the layer from 0.
  var word: String {
    switch self {
    case .entry: Self.entryWord
    case .after(let layer): "\(layer)"
    }
  }

  /// For people, who count layers from 1: `at the entry`, `after layer 2`.
  public var description: String { self == .entry ? "at the entry" : "after layer \(number)" }
}

extension ModelShape {
  /// The boundaries of the model in order: the entry, and one after each layer but the last.
  public var boundaries: [Boundary] { [.entry] + (0..<max(layers - 1, 0)).map { .after($0) } }
}
