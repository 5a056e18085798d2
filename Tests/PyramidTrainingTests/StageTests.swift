// The stages of mp-train on a model of three small layers: what each of them changes, and what it leaves alone.

import Glibc
import PyramidFormats
import PyramidIR
import PyramidKernels
import PyramidModels
import PyramidTestSupport
import Testing

@testable import PyramidTraining

extension TrainingSample {
  /// The sample's data with a checkpoint of three layers and, unless it has exits, no head but the last one's.
  static func ofThreeLayers(exits: Bool = false) throws -> TrainingSample {
    let sample = try TrainingSample()
    var recipe = CheckpointRecipe()
    (recipe.layers, recipe.hidden, recipe.heads, recipe.intermediate, recipe.classes) = (3, 16, 2, 16, 3)
    recipe.hasExits = exits
    _ = try recipe.write(in: sample.folder)
    return sample
  }
}

extension TrainingSample {
  fileprivate func stages(_ stages: [StageName], _ change: (inout TrainingOptions) -> Void = { _ in })
    -> TrainingOptions
  {
    var options = TrainingOptions()
    (options.stages, options.epochs, options.batchTokens) = (stages, [1], 60)
    (options.learningRate, options.headLearningRate) = (1e-3, 1e-2)
    change(&options)
    return options
  }

  fileprivate func run(_ name: String, _ options: TrainingOptions) throws -> TensorCollection {
    try train(name, options: options, make: StageCatalogue.make)
    return try TensorCollection(files: [SafetensorsFile(path: folder.path("\(name)/model.safetensors"))])
  }
}

@Suite("Stages")
struct StageTests {
  @Test("All stages run one after another, and what they leave is a model with exits, thresholds and temperatures")
  func all() throws {
    let sample = try TrainingSample.ofThreeLayers()
    let options = sample.stages(StageName.allCases) { $0.headInput = .firstAndMean }
    let tensors = try sample.run("out", options)
    #expect(tensors.shape(of: "exits.0.dense.weight") == [16, 32])
    #expect(tensors.shape(of: "exits.1.classifier.weight") == [3, 16])
    #expect(tensors.shape(of: "prune.thresholds") == [2])
    #expect(try tensors.floats(of: "exits.temperatures").allSatisfy { $0 > 0 && $0.isFinite })
    #expect(tensors.names.contains("exits.entry.table") && tensors.names.contains("prune.entry.salience"))
    let checkpoint = try Checkpoint(path: sample.folder.path("out"))
    #expect(checkpoint.configuration.headInput == .firstAndMean)
    #expect(try LoweredModel(checkpoint, name: "out").exitHeads == [0, 1])
  }

  @Test("Stage 4 alone adds heads and leaves every tensor that there was as it was, to the bit")
  func exitsAlone() throws {
    let sample = try TrainingSample.ofThreeLayers()
    let before = try Checkpoint(path: sample.checkpoint).weights
    let after = try sample.run("out", sample.stages([.exits]) { $0.epochs = [3] })
    for (name, original) in before.originals {
      let file = Weights.fileName(name, family: "bert")
      #expect(try after.floats(of: file) == before.tensors.floats(of: original), "\(name)")
    }
    let untrained = try sample.run("other", sample.stages([.exits]) { $0.headLearningRate = 0 })
    #expect(
      try after.floats(of: "exits.0.dense.weight") != untrained.floats(of: "exits.0.dense.weight"))
  }

  @Test(
    "Linear heads stay linear, in training alone and with the layers, and in every family",
    arguments: CheckpointRecipe.Family.allCases)
  func linearHeads(family: CheckpointRecipe.Family) throws {
    let sample = try TrainingSample()
    var recipe = CheckpointRecipe(family)
    (recipe.layers, recipe.hidden, recipe.heads, recipe.intermediate, recipe.classes) = (3, 16, 2, 16, 3)
    (recipe.linearExits, recipe.withoutExit) = ([0], [1])
    _ = try recipe.write(in: sample.folder)
    for (name, stages) in [("alone", [StageName.exits]), ("joint", [.fineTuning])] {
      let options = sample.stages(stages) { if name == "joint" { $0.exitsTraining = .joint } }
      let tensors = try sample.run(name, options)
      let model = try LoweredModel(Checkpoint(path: sample.folder.path(name)), name: name)
      #expect(model.exitHeads == [0, 1] && model.linearHeads == [0], "\(name)")
      #expect(model.notes.isEmpty)
      let before = try SafetensorsFile(path: sample.checkpoint + "/model.safetensors")
      #expect(
        try tensors.floats(of: "exits.0.classifier.weight")
          != before.floats(of: #require(before.entry(named: "exits.0.classifier.weight"))))
    }
  }

  @Test("Exits that train with the layers change both, in each of the ways", arguments: ExitsTraining.allCases)
  func together(training: ExitsTraining) throws {
    let sample = try TrainingSample.ofThreeLayers()
    let options = sample.stages([.fineTuning]) { $0.exitsTraining = training }
    let tensors = try sample.run("out", options)
    #expect(tensors.names.contains("exits.0.dense.weight") == (training != .frozen))
    let name = "bert.encoder.layer.0.output.dense.weight"
    #expect(
      try tensors.floats(of: name)
        != SafetensorsFile(path: sample.checkpoint + "/model.safetensors").floats(
          of: #require(
            SafetensorsFile(path: sample.checkpoint + "/model.safetensors").tensors.first { $0.name == name })))
  }

  @Test("Products in bf16 train other weights, nearly as good ones, and change nothing where no layer trains")
  func reducedProducts() throws {
    let sample = try TrainingSample.ofThreeLayers()
    func run(_ stage: StageName, _ precision: TrainingPrecision) throws -> (weights: [UInt8], accuracy: Double) {
      let options = sample.stages([stage]) { ($0.precision, $0.epochs) = (precision, [12]) }
      let name = "\(stage.rawValue)-\(precision)"
      let weights = try sample.train(name, options: options, make: StageCatalogue.make)
      guard case .array(let heads) = try sample.events(name, "stage")[0]["heads"] else { return (weights, 0) }
      return (weights, StageSummary.double(heads[0]["accuracy"]))
    }
    let (exact, reduced) = (try run(.fineTuning, .f32), try run(.fineTuning, .bf16))
    #expect(exact.weights != reduced.weights)
    let (right, rightReduced) = (exact.accuracy, reduced.accuracy)
    #expect(right > 0.6 && abs(right - rightReduced) < 0.2, "\(right), \(rightReduced)")
    #expect(try run(.exits, .f32).weights == run(.exits, .bf16).weights)
  }

  @Test("Each of the ways to train exits with the layers makes other layers")
  func ways() throws {
    let sample = try TrainingSample.ofThreeLayers()
    let layers = try ExitsTraining.allCases.map { training in
      let options = sample.stages([.fineTuning]) { $0.exitsTraining = training }
      return try sample.run(training.rawValue, options).floats(of: "bert.encoder.layer.0.output.dense.weight")
    }
    #expect(Set(layers).count == ExitsTraining.allCases.count)
  }

  @Test(
    "A training of all stages that stops in any of them goes on to the bit", arguments: [ExitsTraining.frozen, .joint])
  func resumed(training: ExitsTraining) throws {
    let sample = try TrainingSample.ofThreeLayers()
    let options = sample.stages(StageName.allCases) { ($0.exitsTraining, $0.addsEntry) = (training, true) }
    var count = 0
    let expected = try sample.train("whole", options: options) { name, context in
      WatchedStage(try StageCatalogue.make(name, context)) { _ in count += 1 }
    }
    var start = TrainingStart.new
    for point in [1, count / 3, count / 2, count * 2 / 3, count - 2] {
      let (current, last) = (start, point)
      #expect(throws: Stopped.self) {
        try sample.train("parts", current, options: options, saveMinutes: 0) { name, context in
          WatchedStage(try StageCatalogue.make(name, context)) { if $0.number == last { throw Stopped() } }
        }
      }
      start = .resuming
    }
    #expect(try sample.train("parts", .resuming, options: options, make: StageCatalogue.make) == expected)
  }

  @Test("Features outlive a stop: only those whose file is lost, damaged or of another training are computed again")
  func keptFeatures() throws {
    let sample = try TrainingSample.ofThreeLayers()
    var computed = 0
    let console = TrainingConsole(progress: { if $0.contains("features of train") { computed += 1 } })
    func run(_ name: String, _ start: TrainingStart = .new, seed: UInt64 = 1, stops: Bool = false) throws -> [UInt8] {
      computed = 0
      let options = sample.stages([.exits]) { $0.seed = seed }
      return try sample.train(name, start, options: options, saveMinutes: 0, console: console) { name, context in
        WatchedStage(try StageCatalogue.make(name, context)) { _ in if stops { throw Stopped() } }
      }
    }
    func file(_ name: String, _ batch: Int) -> String {
      sample.folder.path("\(name)/training-features-train-\(batch).safetensors")
    }
    /// Of how many rows of train and of dev the log says that features were computed.
    func told(_ name: String) throws -> [Double] {
      try sample.events(name, "features").map { StageSummary.double($0["computed"]) }
    }
    let (expected, all) = (try run("whole"), computed)
    #expect(all > 4)
    #expect(try told("whole") == [114, 6])
    for (name, seed) in [("kept", 1), ("lost", 1), ("damaged", 1), ("foreign", 1), ("other", 2)] {
      #expect(throws: Stopped.self) { try run(name, seed: UInt64(seed), stops: true) }
      #expect(computed == all && FileKind(at: file(name, all - 1)) == .regular, "\(name)")
    }
    unlink(file("lost", 2))
    var bytes = try MappedFile(path: file("damaged", 2)).withBytes { Array($0) }
    bytes[bytes.count - 1] ^= 0x40
    try sample.folder.write("damaged/training-features-train-2.safetensors", bytes)
    rename(file("other", 1), file("foreign", 1))
    for (name, again) in [("kept", 0), ("lost", all - 2), ("damaged", all - 2), ("foreign", all - 1)] {
      #expect(try run(name, .resuming) == expected, "\(name)")
      #expect(computed == again, "\(name)")
      let rows = try told(name)
      #expect(rows.count == 2 && rows[1] == 0 && (rows[0] > 0) == (again > 0), "\(name): \(rows)")
      #expect(!TrainingFolder.entries(of: sample.folder.path(name)).contains { $0.hasPrefix("training-features") })
    }
  }

  @Test("A disk that takes no features ends their keeping, not the training")
  func refusedFeatures() throws {
    let sample = try TrainingSample.ofThreeLayers()
    let options = sample.stages([.exits])
    let expected = try sample.train("whole", options: options, make: StageCatalogue.make)
    try sample.folder.makeFolder("out/training-features-train-0.safetensors")
    var notes: [String] = []
    let weights = try sample.train(
      "out", .overwriting, options: options, console: TrainingConsole(note: { notes.append($0) }),
      make: StageCatalogue.make)
    #expect(weights == expected)
    #expect(notes.contains { $0.hasPrefix("features are not kept") && $0.contains("is a folder, expected a file") })
  }

  @Test("Features of more bytes than are kept are computed again in each epoch, and a note says so")
  func largeFeatures() throws {
    let sample = try TrainingSample.ofThreeLayers()
    var notes: [String] = []
    let console = TrainingConsole(note: { notes.append($0) })
    try sample.train("out", options: sample.stages([.exits]), console: console) { name, context in
      context.largestFeatures = 1000
      return try StageCatalogue.make(name, context)
    }
    let problem = "features of train take 0 MiB, and at most 0 MiB are kept, so that each epoch computes them again"
    #expect(notes.contains(problem), "\(notes)")
    #expect(try sample.events("out", "features").count == 1, "dev has few rows, whose features are kept")
  }

  @Test("Between blocks no gradient flows: without losses of their own the lower layers get none")
  func blocks() throws {
    let sample = try TrainingSample.ofThreeLayers()
    let plain = try LoweredModel(Checkpoint(path: sample.checkpoint), name: "x").graph
    var recipe = StageRecipe()
    (recipe.exits, recipe.exit) = ([0], LossWeights(target: 0, lastHead: 0))
    func layers(_ recipe: StageRecipe) throws -> Set<String> {
      let graph = try StageGraph.training(
        plain, recipe, dropout: DropoutRates(), target: .native(), precision: .f32
      ).graph
      let names = graph.nodes.filter { $0.section == .gradients && $0.op.facts.hasEffect }
        .flatMap { $0.weights.map { graph[$0].name } }
      return Set(names.map { String($0.prefix { $0 != "." }) })
    }
    #expect(try layers(recipe) == ["embeddings", "l0", "l1", "l2", "head"])
    recipe.separatesBlocks = true
    #expect(try layers(recipe) == ["l1", "l2", "head"])
    recipe.exit.target = 1
    #expect(try layers(recipe) == ["embeddings", "l0", "l1", "l2", "head", "exits"])
  }

  @Test(
    "Heads add as much of the entry as fits dev best, with layers that train and with those that stay",
    arguments: [ExitsTraining.frozen, .joint])
  func addedEntry(training: ExitsTraining) throws {
    let sample = try TrainingSample.ofThreeLayers()
    let stages: [StageName] = training == .frozen ? [.entry, .exits] : [.entry, .fineTuning]
    func run(_ name: String, adds: Bool) throws -> TensorCollection {
      let options = sample.stages(stages) { ($0.exitsTraining, $0.addsEntry) = (training, adds) }
      return try sample.run(name, options)
    }
    let (plain, mixed) = (try run("plain", adds: false), try run("mixed", adds: true))
    #expect(!plain.names.contains { $0.contains(".entry.weight") })
    #expect(try plain.floats(of: "exits.0.classifier.weight") == mixed.floats(of: "exits.0.classifier.weight"))
    for layer in 0..<2 {
      let weight = try mixed.floats(of: "exits.\(layer).entry.weight")
      #expect(weight[0] > 0 && weight.enumerated().allSatisfy { $1 == ($0 % 4 == 0 ? weight[0] : 0) })
      #expect(try mixed.floats(of: "exits.\(layer).entry.bias") == [0, 0, 0])
    }
    #expect(try LoweredModel(Checkpoint(path: sample.folder.path("mixed")), name: "mixed").entryReaders == [0, 1])
    // Heads that are trained again are no longer what the share was fitted to, and an entry that is made anew neither.
    let again = try TrainingSample(checkpoint: sample.folder.path("mixed"), classes: 3)
    #expect(try !again.run("again", again.stages([.exits])).names.contains("exits.0.entry.weight"))
    let error = #expect(throws: TrainingError.self) { try again.run("refused", again.stages([.entry])) }
    #expect(error?.description.contains("--stages entry,4") == true)
    let alone = sample.stages([.exits]) { $0.addsEntry = true }
    #expect(throws: TrainingError.self) { try sample.run("alone", alone) }
  }

  @Test("Heads that read something else replace the checkpoint's, which all read the same")
  func replacedHeads() throws {
    let sample = try TrainingSample.ofThreeLayers(exits: true)
    let options = sample.stages([.exits]) {
      ($0.headInput, $0.exits) = (.firstAndMean, ExitChoice(entry: false, layers: [2]))
    }
    let tensors = try sample.run("out", options)
    #expect(tensors.shape(of: "exits.1.dense.weight") == [16, 32] && tensors.shape(of: "exits.0.dense.weight") == nil)
  }

  @Test("A model cut to its lower layers is one of fewer layers, and says so")
  func cut() throws {
    let sample = try TrainingSample.ofThreeLayers(exits: true)
    _ = try sample.run("out", sample.stages([.fineTuning]) { ($0.layers, $0.exitsTraining) = (2, .joint) })
    let checkpoint = try Checkpoint(path: sample.folder.path("out"))
    #expect(checkpoint.configuration.layers == 2)
    #expect(try LoweredModel(checkpoint, name: "out").exitHeads == [0])
    #expect(throws: CheckpointError.self) { try checkpoint.cut(to: 3) }
  }

  @Test("A teacher's answers change what is learned; one with other words or classes is refused")
  func teachers() throws {
    let sample = try TrainingSample.ofThreeLayers()
    let alone = try sample.run("alone", sample.stages([.fineTuning]))
    let taught = try sample.run(
      "taught", sample.stages([.entry, .fineTuning]) { $0.teachers = [sample.checkpoint, "entry"] })
    #expect(try alone.floats(of: "classifier.weight") != taught.floats(of: "classifier.weight"))
    let error = #expect(throws: TrainingError.self) {
      try sample.run("none", sample.stages([.fineTuning]) { $0.teachers = ["entry"] })
    }
    #expect(error?.description.contains("there is no bag head") == true)
    let other = try TemporaryFolder()
    var recipe = CheckpointRecipe()
    recipe.classes = 2
    let path = try recipe.write(in: other)
    #expect(throws: TrainingError.self) {
      try sample.run("refused", sample.stages([.fineTuning]) { $0.teachers = [path] })
    }
  }
}

private struct Stopped: Error {}

/// A stage that shows each batch before it is computed.
private final class WatchedStage: TrainingStage {
  private let stage: any TrainingStage
  private let watch: (TrainingBatch) throws -> Void

  init(_ stage: any TrainingStage, _ watch: @escaping (TrainingBatch) throws -> Void) {
    (self.stage, self.watch) = (stage, watch)
  }

  var name: StageName { stage.name }
  var heads: [String] { stage.heads }
  var groups: [ParameterGroup] { stage.groups }
  var epochs: Int { stage.epochs }
  var keepsBest: Bool { stage.keepsBest }
  func prepare() throws { try stage.prepare() }
  func accumulate(_ batch: TrainingBatch) throws -> Double {
    try watch(batch)
    return try stage.accumulate(batch)
  }
  func predict(_ batch: TrainingBatch) throws -> [[Float]] { try stage.predict(batch) }
  func score(_ heads: [HeadResult]) -> Double { stage.score(heads) }
  func finish() throws { try stage.finish() }
}

@Suite("Answers of heads")
struct HeadAnswersTests {
  /// Two heads over two classes: the first is half as sure as it should be and right on all but every fifth sample.
  private var answers: HeadAnswers {
    var answers = HeadAnswers(layers: [0, 3], classes: 2)
    for sample in 0..<100 {
      let sure = Float(sample % 10) / 5
      let isRight = sample % 5 != 0
      answers.add(labels: [0], logits: [[isRight ? sure : -sure, 0], [2, 0]])
    }
    return answers
  }

  @Test("The share of another head's logits is the one at which the loss is least, and what says nothing gets none")
  func share() {
    var random = SeededValues("share")
    func noise() -> Float { 2 * random.unit() }
    // Two heads that see the class through noise of their own, and one that sees noise alone.
    var answers = HeadAnswers(layers: [1, 2, 3], classes: 3)
    for label in (0..<600).map({ $0 % 3 }) {
      func seen(_ strength: Float) -> [Float] { (0..<3).map { ($0 == label ? strength : 0) + noise() } }
      answers.add(labels: [Int32(label)], logits: [seen(1.5), seen(1.5).map { 4 * $0 }, seen(0)])
    }
    let share = answers.share(of: 1, for: 0)
    // As sure of itself, in logits four times as large.
    #expect(abs(share - 0.25) < 0.08)
    #expect(answers.share(of: 2, for: 0) < 0.1)
    func loss(_ share: Float) -> Double {
      var mixed = answers
      mixed.add(share, of: 1, to: 0)
      return mixed.loss(head: 0, temperature: Double(mixed.temperature(head: 0)))
    }
    #expect(loss(share) < loss(share * 0.7) && loss(share) < loss(share * 1.4) && loss(share) < loss(0))
    #expect(HeadAnswers(layers: [1, 2], classes: 3).share(of: 1, for: 0) == 0)
  }

  @Test("The temperature is the one at which the loss is least")
  func temperature() {
    let fitted = Double(answers.temperature(head: 0))
    let seen = Calibration(logits: answers.logits[0], labels: answers.labels.map(Int.init))
    for other in [0.8, 0.95, 1.05, 1.25] { #expect(seen.loss(fitted) <= seen.loss(fitted * other)) }
    // Where every one of 25 is right, the 26th might not be: ln((1 - p) / p) = 2 / 0.51 for p = 1 / 52.
    var right = HeadAnswers(layers: [1], classes: 2)
    right.add(labels: Array(repeating: 0, count: 25), logits: [Array(repeating: [2, 0], count: 25).flatMap { $0 }])
    #expect(abs(right.temperature(head: 0) - 0.51) < 0.02)
    #expect(HeadAnswers(layers: [1], classes: 2).temperature(head: 0) == 1)
  }

  @Test(
    "A higher threshold lets more texts leave early, and dense is what nobody leaves",
    arguments: [nil, 0.5, 1] as [Float?])
  func forecasts(temperature: Float?) throws {
    let temperatures = temperature.map { Array(repeating: $0, count: answers.layers.count) }
    let forecasts = answers.forecasts(peek: 0.1, temperatures: temperatures)
    #expect(forecasts[1].policy == (temperature == nil ? "entropy(threshold=0.01)" : "max-probability(threshold=0.99)"))
    #expect(zip(forecasts, forecasts.dropFirst()).allSatisfy { $0.shares[0] <= $1.shares[0] && $0.layers >= $1.layers })
    #expect(forecasts.allSatisfy { abs($0.denseLayers - 2.1) < 1e-12 && abs($0.shares.reduce(0, +) - 1) < 1e-12 })
    let choice = try #require(answers.choices(peek: 0.1, losing: [0], temperatures: temperatures)[0].forecast)
    #expect(choice.accuracy == 1)
  }
}
