// What policies there are to choose from, with their parameters: text for people, JSON for programs.

import PyramidFormats
import PyramidPolicy

extension PolicyRegistry {
  /// A paragraph for each policy: what it reads by default, its parameters, its weights.
  public var listing: String {
    var lines: [String] = []
    for kind in PolicyKind.allCases {
      lines.append(kind == .exit ? "Exit policies" : "Pruning policies")
      for type in all.filter({ $0.kind == kind }).sorted(by: { $0.name < $1.name }) {
        lines.append("\n  \(type.name)\(type.origin == PolicyType.builtIn ? "" : " (\(type.origin))"): \(type.demand)")
        for parameter in type.parameters {
          lines.append("    \(parameter.name): \(parameter.expectation), default \(parameter.defaultText)")
          lines.append("      \(parameter.help)")
        }
        for tensor in type.tensors {
          lines.append("    weights \(type.tensorName(tensor)) [\(tensor.shapeText)]")
        }
      }
      lines.append("")
    }
    return lines.joined(separator: "\n")
  }

  /// A list of objects: `name, kind, origin, reads, moment, answers, entry, parameters, weights`.
  public var listingJSON: JSONValue {
    .array(
      all.sorted { ($0.kind == .exit ? 0 : 1, $0.name) < ($1.kind == .exit ? 0 : 1, $1.name) }.map { type in
        let example = type.example
        let parameters = type.parameters.map(\.json)
        let weights = type.tensors.map { tensor -> JSONValue in
          ["name": .string(type.tensorName(tensor)), "shape": .string(tensor.shapeText)]
        }
        return [
          "name": .string(type.name), "kind": .string(type.kind.rawValue), "origin": .string(type.origin),
          "reads": example.map { .array($0.reads.map(JSONValue.string)) } ?? .null,
          "moment": example.flatMap { type.kind == .prune ? .string($0.moment.rawValue) : nil } ?? .null,
          "answers": .array(AnswerKind.allCases.filter(type.requires.contains).map { .string($0.rawValue) }),
          "entry": example.map { .bool($0.isActive(afterLayer: 0)) } ?? .null,
          "parameters": .array(parameters), "weights": .array(weights),
        ]
      })
  }
}

extension PolicyInstance {
  /// The signals read, as text has them.
  fileprivate var reads: [String] {
    ExitSignal.allCases.filter(exitSignals.contains).map(\.rawValue)
      + TokenSignal.allCases.filter(tokenSignals.contains).map(\.rawValue)
  }
}

extension PolicyType {
  /// What it reads, and when it decides.
  fileprivate var demand: String {
    guard let example else { return "what it reads depends on its parameters" }
    let reads = example.reads.isEmpty ? "reads nothing" : "reads " + example.reads.joined(separator: ", ")
    let answers = AnswerKind.allCases.filter(requires.contains).map(\.rawValue).joined(separator: ", ")
    return reads + (kind == .prune ? "; \(example.moment.rawValue)" : "; for \(answers)")
      + (example.isActive(afterLayer: 0) ? "; at the entry, too" : "")
  }

  fileprivate func tensorName(_ tensor: PolicyTensor) -> String {
    "policies.\(name).\(tensor.isPerBoundary ? "<l>." : "")\(tensor.name)"
  }
}

extension PolicyTensor {
  fileprivate var shapeText: String { extents.map(\.description).joined(separator: ", ") }
}

extension PolicyParameter {
  /// The default as a specification has it, `#exits.temperatures, else [1]`.
  fileprivate var defaultText: String {
    guard case .numbers(.learned(_, let numbers?), _) = kind else { return defaultValue.description }
    return "\(defaultValue), else \(PolicySpec.Value.numbers(numbers))"
  }

  fileprivate var json: JSONValue {
    func list(_ range: ClosedRange<Double>) -> JSONValue { [.init(range.lowerBound), .init(range.upperBound)] }
    let (type, range): (String, JSONValue) =
      switch kind {
      case .number(_, let range): ("number", list(range))
      case .integer(_, let range): ("integer", [.init(range.lowerBound), .init(range.upperBound)])
      case .numbers(_, let range): ("numbers", list(range))
      case .word(_, let choices): ("word", .array(choices.map(JSONValue.string)))
      case .flag: ("flag", ["false", "true"])
      }
    return [
      "name": .string(name), "type": .string(type), "range": range, "default": .string(defaultText),
      "help": .string(help),
    ]
  }
}
