// BERT with exits and pruning as README tells it, in loops over one text at a time: no graph, no lowering, no pass, no policy of
// the project. What it says does not depend on anything that compiles or schedules a model, which the reference interpreter's
// answer does. In Double, straight from the checkpoint's tensors.

import Glibc
import PyramidFormats

/// A checkpoint of `CheckpointRecipe`, family BERT without an entry, run as the text says.
public struct DirectModel {
  /// When a text leaves after a layer.
  public enum Exit: Sendable {
    case never
    /// Normalised entropy below a number.
    case entropy(Double)
    /// Largest probability at least a number.
    case maxProbability(Double)
    /// So many heads in a row that repeat the class of the one before.
    case patience(Int)
  }

  /// Which tokens live on after a layer, by the attention that they received relative to uniform; the first always does.
  public enum Prune: Sendable {
    case never
    /// Those with at least this boundary's number.
    case thresholds([Double])
    /// So many of the largest, the first token included.
    case count(Int)
  }

  /// An answer, and how near its closest decision was: below rounding, an engine may decide otherwise.
  public struct Outcome {
    public var logits: [Double] = []
    public var exitLayer = 0
    /// Places of the tokens that entered each layer.
    public var alive: [[Int]] = []
    public var closest = Double.infinity
  }

  private let recipe: CheckpointRecipe
  private let tensors: [String: [Double]]

  /// Reads a checkpoint that the recipe wrote to a folder.
  public init(_ recipe: CheckpointRecipe, folder: String) throws {
    let file = try SafetensorsFile(path: folder + "/model.safetensors")
    self.recipe = recipe
    tensors = Dictionary(
      uniqueKeysWithValues: try file.tensors.map { ($0.name, try file.floats(of: $0).map { Double($0) }) })
  }

  /// Runs one text.
  public func run(_ ids: [Int32], exit: Exit, prune: Prune) -> Outcome {
    var outcome = Outcome()
    var (alive, predicted, repeated) = (Array(ids.indices), -1, 0)
    let word = "bert.embeddings.word_embeddings", place = "bert.embeddings.position_embeddings"
    var rows = ids.enumerated().map { position, id in
      normalised(
        sum(row(word, Int(id)), row(place, position), row("bert.embeddings.token_type_embeddings", 0)),
        "bert.embeddings.LayerNorm")
    }
    for layer in 0..<recipe.layers {
      outcome.alive.append(alive)
      let before = rows
      let received = run(layer, &rows)
      outcome.exitLayer = layer + 1
      guard layer < recipe.layers - 1 else { break }
      let logits = head(layer, first: rows[0], mean: mean(before))
      let best = logits.indices.max { logits[$0] < logits[$1] }!
      (predicted, repeated) = (best, best == predicted ? repeated + 1 : 0)
      if leaves(logits, exit, repeated, &outcome.closest) {
        outcome.logits = logits
        return outcome
      }
      let kept = survivors(received, prune, layer, &outcome.closest)
      (alive, rows) = (kept.map { alive[$0] }, kept.map { rows[$0] })
    }
    let pooled = linear("bert.pooler.dense", rows[0]).map { tanh($0) }
    outcome.logits = linear("classifier", pooled)
    return outcome
  }

  /// A layer; what each token received of all heads' attention, 1 for as much as each of them would from equals.
  private func run(_ layer: Int, _ rows: inout [[Double]]) -> [Double] {
    let name = "bert.encoder.layer.\(layer)."
    let queries = rows.map { linear(name + "attention.self.query", $0) }
    let keys = rows.map { linear(name + "attention.self.key", $0) }
    let values = rows.map { linear(name + "attention.self.value", $0) }
    let size = recipe.hidden / recipe.heads
    var received = rows.map { _ in 0.0 }
    var contexts = rows.map { _ in [Double](repeating: 0, count: recipe.hidden) }
    for head in 0..<recipe.heads {
      let columns = head * size..<(head + 1) * size
      for query in rows.indices {
        let scores = keys.map { key in
          columns.reduce(0) { $0 + queries[query][$1] * key[$1] } / Double(size).squareRoot()
        }
        for (key, share) in softmax(scores).enumerated() {
          received[key] += share / Double(recipe.heads)
          for column in columns { contexts[query][column] += share * values[key][column] }
        }
      }
    }
    rows = zip(rows, contexts).map { row, context in
      let middle = normalised(
        sum(row, linear(name + "attention.output.dense", context)), name + "attention.output.LayerNorm")
      let wide = linear(name + "intermediate.dense", middle).map(activated)
      return normalised(sum(middle, linear(name + "output.dense", wide)), name + "output.LayerNorm")
    }
    return received
  }

  private func head(_ layer: Int, first: [Double], mean: [Double]) -> [Double] {
    let read = recipe.readsMean ? first + mean : first
    return linear("exits.\(layer).classifier", linear("exits.\(layer).dense", read).map { tanh($0) })
  }

  private func leaves(_ logits: [Double], _ exit: Exit, _ repeated: Int, _ closest: inout Double) -> Bool {
    let shares = softmax(logits)
    func compare(_ distance: Double) -> Bool {
      closest = min(closest, abs(distance))
      return distance > 0
    }
    switch exit {
    case .never: return false
    case .entropy(let threshold):
      let entropy = -shares.reduce(0) { $0 + ($1 > 0 ? $1 * log($1) : 0) } / log(Double(shares.count))
      return compare(threshold - entropy)
    case .maxProbability(let threshold): return compare(shares.max()! - threshold)
    case .patience(let heads):
      let two = logits.sorted(by: >).prefix(2)
      closest = min(closest, two.first! - two.last!)
      return repeated == heads
    }
  }

  private func survivors(
    _ received: [Double], _ prune: Prune, _ layer: Int, _ closest: inout Double
  ) -> [Int] {
    switch prune {
    case .never: return Array(received.indices)
    case .thresholds(let thresholds):
      for score in received.dropFirst() { closest = min(closest, abs(score - thresholds[layer])) }
      return received.indices.filter { $0 == 0 || received[$0] >= thresholds[layer] }
    case .count(let count):
      let order = received.indices.dropFirst().sorted { received[$0] > received[$1] }
      if count <= order.count, count > 1 {
        closest = min(closest, received[order[count - 2]] - received[order[count - 1]])
      }
      return [0] + order.prefix(count - 1).sorted()
    }
  }

  private func row(_ table: String, _ index: Int) -> [Double] {
    Array(tensors[table + ".weight"]![index * recipe.hidden..<(index + 1) * recipe.hidden])
  }

  private func linear(_ name: String, _ input: [Double]) -> [Double] {
    let (weight, bias) = (tensors[name + ".weight"]!, tensors[name + ".bias"]!)
    return bias.indices.map { row in
      input.indices.reduce(bias[row]) { $0 + weight[row * input.count + $1] * input[$1] }
    }
  }

  private func normalised(_ row: [Double], _ name: String) -> [Double] {
    let mean = row.reduce(0, +) / Double(row.count)
    let variance = row.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(row.count)
    let (weight, bias) = (tensors[name + ".weight"]!, tensors[name + ".bias"]!)
    return row.indices.map { (row[$0] - mean) / (variance + 1e-12).squareRoot() * weight[$0] + bias[$0] }
  }

  private func activated(_ x: Double) -> Double {
    switch recipe.activation {
    case "relu": max(x, 0)
    case "gelu_new": 0.5 * x * (1 + tanh((2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)))
    default: 0.5 * x * (1 + erf(x / 2.0.squareRoot()))
    }
  }

  private func softmax(_ scores: [Double]) -> [Double] {
    let largest = scores.max()!
    let powers = scores.map { exp($0 - largest) }
    let sum = powers.reduce(0, +)
    return powers.map { $0 / sum }
  }

  private func sum(_ rows: [Double]...) -> [Double] {
    rows[0].indices.map { column in rows.reduce(0) { $0 + $1[column] } }
  }

  private func mean(_ rows: [[Double]]) -> [Double] {
    rows[0].indices.map { column in rows.reduce(0) { $0 + $1[column] } / Double(rows.count) }
  }
}
