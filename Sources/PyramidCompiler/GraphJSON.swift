// The graph as JSON for tools that don't read the text form: same content, same order, one part of the graph on a line.
// It is here and not in PyramidIR because JSON is written in one place, which the IR does not know.

import PyramidFormats
import PyramidIR
import PyramidPolicy

extension Graph {
  /// The graph as one JSON object: `name`, `version`, `model`, `purpose`, `checkpoint`, `target`, `policies`, `dims`, `weights`,
  /// `slots`, `costs` and `nodes`; values are named without `%`, weights without `#`. A placement, which no compiled
  /// graph has any more, is left out.
  public var json: String {
    let graph: JSONValue = [
      "name": JSONValue(name), "version": 1, "model": model, "purpose": .string(purpose.rawValue),
      "checkpoint": text(checkpoint), "target": text(target?.rawValue),
      "policies": .array(policies.all.map(json)), "dims": .array(dims.map(json)),
      "weights": .array(weights.map(json)), "slots": .array(slots.map(json)), "costs": .array(costs.map(json)),
      "nodes": .array(nodes.map(json)),
    ]
    return JSONWriter.string(graph, style: .lines(2)) + "\n"
  }

  private func text(_ string: String?) -> JSONValue { string.map { .string($0) } ?? .null }

  private var model: JSONValue {
    guard case .object(var model) = sizes else { return sizes }
    if !shape.tasks.isEmpty {
      model["tasks"] = .array(
        shape.tasks.map { task in
          ["name": .string(task.name), "classes": JSONValue(task.classes), "task": .string(task.task.rawValue)]
        })
    }
    return .object(model)
  }

  private var sizes: JSONValue {
    [
      "family": JSONValue(shape.family), "layers": JSONValue(shape.layers), "hidden": JSONValue(shape.hidden),
      "heads": JSONValue(shape.heads), "intermediate": JSONValue(shape.intermediate),
      "classes": JSONValue(shape.classes), "task": .string(shape.task.rawValue),
    ]
  }

  private func json(_ kind: PolicyKind, _ policy: PolicySpec) -> JSONValue {
    var arguments = JSONObject()
    for argument in policy.arguments {
      switch argument.value {
      case .number(let number): arguments.append(argument.name, json(number))
      case .numbers(let numbers): arguments.append(argument.name, .array(numbers.map(json)))
      case .word(let word): arguments.append(argument.name, .string(word))
      case .learned(let tensor): arguments.append(argument.name, ["tensor": .string(tensor)])
      }
    }
    return ["kind": JSONValue(kind.rawValue), "name": JSONValue(policy.name), "arguments": .object(arguments)]
  }

  /// The number as the text form spells it; JSON has no infinities and no NaN, those are strings.
  private func json(_ number: Double) -> JSONValue {
    let text = PolicySpec.Value.number(number).description
    return JSONNumber(text: text).map { .number($0) } ?? .string(text)
  }

  private func json(_ declaration: DimDeclaration) -> JSONValue {
    let bound: JSONValue =
      switch declaration.bound {
      case .constant(let count): JSONValue(count)
      case .dim(let dim): .string("\(dim)")
      }
    return [
      "name": .string("\(declaration.dim)"), "bound": bound, "by": text(declaration.definedBy.map { self[$0].name }),
    ]
  }

  private func json(_ weight: Weight) -> JSONValue {
    let panels: JSONValue = if case .panels(let width) = weight.layout { JSONValue(width) } else { .null }
    return [
      "name": .string(weight.name), "type": json(weight.type), "sources": .array(weight.sources.map { .string($0) }),
      "packed": panels, "precision": .string(weight.precision.rawValue),
    ]
  }

  private func json(_ slot: Slot) -> JSONValue {
    ["rows": .string("\(Dim(slot.family, 0))"), "bytes_per_row": JSONValue(slot.bytesPerRow)]
  }

  private func json(_ cost: SectionCost) -> JSONValue {
    func terms(_ terms: [CostTerm]) -> JSONValue {
      .array(
        terms.map {
          ["coefficient": JSONValue($0.coefficient), "dim": .string("\($0.dim)"), "power": JSONValue($0.power)]
        })
    }
    return ["section": .string("\(cost.section)"), "executed": terms(cost.executed), "paper": terms(cost.paper)]
  }

  private func json(_ type: TensorType) -> JSONValue {
    let extents: [JSONValue] = type.extents.map { extent in
      if case .fixed(let size) = extent { JSONValue(size) } else { .string("\(extent)") }
    }
    return ["element": .string(type.element.rawValue), "extents": .array(extents)]
  }

  private func json(_ node: Node) -> JSONValue {
    let facts = node.op.facts
    var attributes = JSONObject()
    for attribute in node.op.attributes { attributes.append(attribute.key, json(attribute.value)) }
    attributes["kind"] = facts.input.map { .string($0.rawValue) }
    attributes["policy"] = node.op.policy.map { .string($0) }
    let results: [JSONValue] = node.results.map { value in
      [
        "name": .string(self[value].name), "type": json(self[value].type),
        "slot": self[value].slot.map { JSONValue($0) } ?? .null,
      ]
    }
    return [
      "section": .string("\(node.section)"), "op": .string(facts.mnemonic),
      "inputs": .array(node.inputs.map { .string(self[$0].name) }),
      "weights": .array(node.weights.map { .string(self[$0].name) }), "attributes": .object(attributes),
      "results": .array(results), "kernel": text(node.kernelName),
    ]
  }

  private func json(_ value: OpAttribute.Value) -> JSONValue {
    switch value {
    case .integer, .float: JSONNumber(text: value.description).map { .number($0) } ?? .null
    case .word(let word): .string(word)
    case .words(let words): .array(words.map { .string($0) })
    }
  }
}
