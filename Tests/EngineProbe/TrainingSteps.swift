// Steps of fine-tuning on given batches, for Scripts/training-speed: what the engine takes for them, without reading of
// data, schedule and log.

import Glibc
import PyramidCompiler
import PyramidIR
import PyramidModels
import PyramidRuntime
import PyramidTraining

/// A model in training. Reads how many batches to run from standard input, line by line, and answers with seconds and
/// mean loss.
final class TrainingSteps {
  private struct Batch {
    var tokens = PackedBatch()
    var targets: [Float] = []
  }

  private struct Parameter {
    let values, gradient, first, second: UnsafeMutableBufferPointer<Float>
    let decays: Bool
  }

  private let model: TrainingRun
  private let thread: TrainingThread
  private var parameters: [Parameter] = []
  private var batches: [Batch] = []
  private var step = 0

  /// A checkpoint with a classifier, texts as lines of a label and token ids, and the size of a batch.
  init(checkpoint path: String, data: String, size: Int, threads: Int) throws {
    let compiler = try ModelCompiler(checkpoint: path)
    let rates = compiler.checkpoint.configuration.dropout
    var graph = try compiler.lowered.graph.trainingGraph().insertingDropout(rates).differentiated()
    try Pipeline.prepareTraining(&graph, target: .native(), precision: .f32)
    batches = try Self.read(data, size: size, classes: graph.shape.classes)
    thread = try TrainingThread(threads: threads)
    var parameters: [Parameter] = []
    let losses = graph.nodes.filter { $0.op.facts.training == .loss }.map { $0.results[0] }
    model = try TrainingRun(graph, thread: thread, reading: losses) { weight in
      let values = try compiler.weights.values(of: weight)
      func buffer() -> UnsafeMutableBufferPointer<Float> {
        let buffer = UnsafeMutableBufferPointer<Float>.allocate(capacity: values.count)
        buffer.initialize(repeating: 0)
        return buffer
      }
      let parameter = Parameter(
        values: buffer(), gradient: buffer(), first: buffer(), second: buffer(),
        decays: weight.type.extents.count > 1)
      _ = parameter.values.update(from: values)
      parameters.append(parameter)
      return TrainedWeight(values: parameter.values, gradient: parameter.gradient)
    }
    self.parameters = parameters
  }

  private static func read(_ path: String, size: Int, classes: Int) throws -> [Batch] {
    guard let file = fopen(path, "r") else { throw RuntimeError("can't read \(path)") }
    defer { fclose(file) }
    var batches: [Batch] = []
    var line: UnsafeMutablePointer<CChar>?
    var room = 0
    defer { free(line) }
    while getline(&line, &room, file) > 0 {
      let numbers = String(cString: line!).split { $0 == " " || $0 == "\n" }.compactMap { Int32($0) }
      if batches.isEmpty || batches[batches.count - 1].tokens.sampleCount == size { batches.append(Batch()) }
      let ids = numbers.dropFirst()
      batches[batches.count - 1].tokens.append(tokenIDs: ids, typeIDs: repeatElement(0, count: ids.count))
      batches[batches.count - 1].targets += (0..<classes).map { $0 == numbers[0] ? 1 : 0 }
    }
    return batches
  }

  /// Answers until the input ends.
  func serve() throws {
    while let line = readLine(), let count = Int(line) {
      var loss = 0.0
      let start = seconds()
      for _ in 0..<count { loss += try run(batches[step % batches.count]) }
      print(seconds() - start, loss / Double(count))
      fflush(nil)
    }
  }

  private func run(_ batch: Batch) throws -> Double {
    let losses = try model.run(
      batch.tokens, targets: batch.targets, random: RandomState(seed: 1, step: UInt64(step)))
    step += 1
    let mean = 1 / Double(batch.tokens.sampleCount)
    try thread.perform {
      let vectors = thread.vectors
      let norm = parameters.reduce(0) { $0 + vectors.sumOfSquares($1.gradient) }.squareRoot() * mean
      for parameter in parameters {
        vectors.adamW(
          parameter.values, gradient: parameter.gradient, first: parameter.first, second: parameter.second,
          gradientScale: Float(mean * min(1, 1 / norm)), stepSize: Float(2e-5 / (1 - pow(0.9, Double(step)))),
          secondScale: Float(1 / (1 - pow(0.999, Double(step)))), keep: parameter.decays ? 1 - 2e-5 * 0.01 : 1,
          beta1: 0.9, beta2: 0.999, epsilon: 1e-8)
      }
    }
    return losses.joined().reduce(0.0) { $0 + Double($1) } * mean
  }

  private func seconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }
}
