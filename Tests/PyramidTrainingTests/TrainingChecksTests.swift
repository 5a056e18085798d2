// What does not fit together is said before anything is trained, and what the result shall not have is gone from the start.

import Glibc
import PyramidFormats
import PyramidModels
import PyramidPolicy
import PyramidTestSupport
import Testing

@testable import PyramidTraining

/// The sample's data with a checkpoint of three layers.
private func sample(_ change: (inout CheckpointRecipe) -> Void = { _ in }) throws -> TrainingSample {
  let sample = try TrainingSample()
  _ = try recipe(change).write(in: sample.folder)
  return sample
}

private func recipe(_ change: (inout CheckpointRecipe) -> Void = { _ in }) -> CheckpointRecipe {
  var recipe = CheckpointRecipe()
  (recipe.layers, recipe.hidden, recipe.heads, recipe.intermediate, recipe.classes) = (3, 16, 2, 16, 3)
  recipe.hasExits = false
  change(&recipe)
  return recipe
}

extension TrainingSample {
  fileprivate func chosen(_ stages: [StageName], _ change: (inout TrainingOptions) -> Void) -> TrainingOptions {
    var options = TrainingOptions()
    (options.stages, options.epochs, options.batchTokens) = (stages, [1], 60)
    change(&options)
    return options
  }

  /// What is said at the start of a training; nothing where it could begin.
  fileprivate func problem(_ stages: [StageName], _ change: (inout TrainingOptions) -> Void = { _ in }) -> String {
    do {
      _ = try training(of: checkpoint, chosen(stages, change))
      return ""
    } catch { return "\(error)" }
  }

  /// The tensors of a whole training.
  fileprivate func run(
    _ name: String, _ stages: [StageName], _ change: (inout TrainingOptions) -> Void = { _ in }
  ) throws -> TensorCollection {
    try train(name, options: chosen(stages, change), make: StageCatalogue.make)
    return try TensorCollection(files: [SafetensorsFile(path: folder.path("\(name)/model.safetensors"))])
  }

  /// Gives the classes of a checkpoint names.
  fileprivate func name(_ classes: [String], in model: String = "model") throws {
    let path = folder.path("\(model)/config.json")
    var object = try JSONField(path: path).object()
    var names = JSONObject()
    for (number, name) in classes.enumerated() { names[String(number)] = .string(name) }
    object["id2label"] = .object(names)
    try OutputFile.write(JSONWriter.string(.object(object)), to: path)
  }

  /// Adds thresholds to the checkpoint as LTP's code names them, one for each layer.
  fileprivate func addThresholds(_ values: [Float]) throws {
    let file = try SafetensorsFile(path: checkpoint + "/model.safetensors")
    func pruner(_ layer: Int) -> String { "bert.encoder.layer.\(layer).attention.self.pruner.keep_threshold" }
    var writer = try SafetensorsWriter(
      path: file.path,
      tensors: file.tensors.map { TensorDeclaration($0.name, $0.type, $0.shape) }
        + values.indices.map { TensorDeclaration(pruner($0), .F32, []) }, alignment: 1)
    for tensor in file.tensors { try writer.append(file.bytes(of: tensor), to: tensor.name) }
    for (layer, value) in values.enumerated() { try writer.append([value], to: pruner(layer)) }
    try writer.finish()
  }

  /// Labels the rows anew.
  fileprivate func label(_ labels: [String]) throws {
    try folder.write("train.tsv", (0..<90).map { "\(labels[$0 % labels.count])\tw\(5 + $0 % 30)\n" }.joined())
  }
}

@Suite("Checks before a training")
struct TrainingChecksTests {
  @Test("What a stage would stumble over is said at the start")
  func start() throws {
    let sample = try sample()
    #expect(
      sample.problem([.fineTuning, .hardPruning])
        == "stage 3 needs thresholds; train them first: --stages 2,3; or name a policy by which tokens die: --prune")
    #expect(sample.problem([.hardPruning]) { $0.prune = PolicySpec(name: "first-k") } == "")
    #expect(sample.problem([.softPruning, .hardPruning]) == "")
    let layers = sample.problem([.fineTuning], { ($0.exits, $0.exitsTraining) = (ExitChoice("9"), .joint) })
    #expect(layers.hasPrefix("--exits 9: the model has 3 layers"))
    let tokens = sample.problem([.fineTuning], { $0.batchTokens = 9000 })
    #expect(tokens == "--batch-tokens 9000: at most 8192 go through this model at once")
    #expect(sample.problem([.fineTuning], { $0.batchTokens = 8192 }) == "")
    let entry = sample.problem([.entry, .exits], { $0.exits = ExitChoice("1,2") })
    #expect(entry.contains("stage entry trains the exit at the entry"))
    #expect(sample.problem([.exits], { $0.layers = 2 }).contains("trains the classifier after that layer"))
    #expect(sample.problem([.fineTuning, .exits], { $0.layers = 2 }) == "")
  }

  @Test("A text of any size that lies beside the weights is not copied, and that is said at the start")
  func largeTexts() throws {
    let sample = try sample()
    let path = try sample.folder.write("model/LICENSE", "terms")
    #expect(sample.problem([.entry]) == "")
    try #require(truncate(path, (64 << 20) + 1) == 0)
    let problem = "\(path): has 67108865 bytes, and texts of a checkpoint are copied up to 67108864"
    #expect(sample.problem([.entry]) == problem)
  }

  @Test("A signal while texts become tokens ends that")
  func stopped() throws {
    let sample = try sample()
    let checkpoint = try Checkpoint(path: sample.checkpoint)
    let data = try TrainingData(
      path: sample.data, dev: nil, checkpoint: checkpoint.configuration.labels, seed: 1,
      layout: { _ in TextLayout(.tsv) })
    let rows = (0..<12).flatMap { _ in data.train }
    var asked = 0
    #expect(throws: TrainingInterrupted(signal: SIGINT)) {
      try EncodedTexts(rows, name: "train", tokenizer: checkpoint.tokenizer, limit: 16, vocabulary: 40) {
        asked += 1
        if asked == 2 { throw TrainingInterrupted(signal: SIGINT) }
      }
    }
    #expect(rows.count > 1000 && asked == 2)
  }

  @Test("An encoder without a classifier is refused where no stage trains one, and the stages that would are named")
  func bareEncoder() throws {
    let head = ["bert.pooler.dense.weight", "bert.pooler.dense.bias", "classifier.weight", "classifier.bias"]
    let sample = try sample { $0.leavesOut = Set(head) }
    for (stages, remedy) in [
      ([StageName.exits], "1,4"), ([.entry, .exits], "entry,1,4"), ([.entry], "entry,1"),
    ] {
      let problem = sample.problem(stages)
      #expect(problem.contains(": has no classifier, and no stage that runs trains one; "), "\(problem)")
      #expect(problem.hasSuffix("train it, too: --stages \(remedy)"), "\(problem)")
    }
    #expect(sample.problem([.entry, .fineTuning, .exits]) == "")
    #expect(sample.problem([.exits], { $0.exitsTraining = .joint }) == "")
    // Half of one is none.
    _ = try recipe { $0.leavesOut = ["bert.pooler.dense.weight"] }.write(in: sample.folder)
    #expect(sample.problem([.exits]).contains("has no classifier"))
  }

  @Test("Thresholds of LTP's code stay where no stage trains them, and the stages after them prune by them")
  func importedThresholds() throws {
    let sample = try sample()
    try sample.addThresholds([0, 0.005, 0.002])
    let expected: [Float] = [0, 0.005 * 128]
    for stage in [StageName.entry, .exits, .hardPruning] {
      let tensors = try sample.run("out \(stage)", [stage])
      #expect(try tensors.floats(of: "prune.thresholds") == expected, "\(stage)")
    }
    // Soft pruning goes on from them.
    let soft = try sample.run("soft", [.softPruning]) { $0.thresholdLearningRate = 0 }
    #expect(try soft.floats(of: "prune.thresholds") == expected)
    func isStale(_ stages: [StageName]) throws -> Bool {
      try sample.training(of: sample.checkpoint, sample.chosen(stages, { _ in })).notes
        .contains { $0.hasPrefix("prune.thresholds stay as they are") }
    }
    for (stages, stale) in [
      ([StageName.fineTuning, .exits], true), ([.fineTuning, .softPruning], false), ([.exits], false),
    ] {
      #expect(try isStale(stages) == stale, "\(stages)")
    }
    // They are those of all layers.
    #expect(sample.problem([.hardPruning], { $0.layers = 2 }).contains("stage 3 needs thresholds"))
  }

  @Test("Teachers are read at the start, and one that no stage hears is refused")
  func teachers() throws {
    let sample = try sample()
    let fewer = try recipe { $0.classes = 2 }.write(in: sample.folder, name: "fewer")
    let wrong = sample.problem([.fineTuning], { $0.teachers = [fewer] })
    #expect(wrong == "--teacher \(fewer): is no classifier for 3 classes")
    for (stages, teacher) in [
      ([StageName.exits], sample.checkpoint), ([.entry], "entry"), ([.entry, .exits], "entry"),
    ] {
      let unheard = sample.problem(stages, { $0.teachers = [teacher] })
      #expect(unheard.contains("no stage that runs hears it"), "\(stages) \(teacher): \(unheard)")
    }
    #expect(sample.problem([.exits], { ($0.teachers, $0.exitsTraining) = ([sample.checkpoint], .joint) }) == "")
    let named = try recipe { $0.seed = "teacher" }.write(in: sample.folder, name: "teacher")
    try sample.name(["class 1", "class 0", "class 2"], in: "teacher")
    let order = sample.problem([.fineTuning], { $0.teachers = [named] })
    #expect(order.contains("its classes are class 1, class 0, class 2; the data's are class 0, class 1, class 2"))
  }

  @Test("The entry learns from teachers, too")
  func entryTeacher() throws {
    let sample = try sample()
    let teacher = try recipe { $0.seed = "teacher" }.write(in: sample.folder, name: "teacher")
    let (alone, taught) = try (
      sample.run("alone", [.entry]), sample.run("taught", [.entry]) { $0.teachers = [teacher] }
    )
    #expect(try alone.floats(of: "exits.entry.table") != taught.floats(of: "exits.entry.table"))
  }

  @Test("Where the entry is the only exit stage 4 is left out", arguments: [1, 3])
  func withoutLayers(layers: Int) throws {
    let sample = try layers == 1 ? TrainingSample() : sample()
    let tensors = try sample.run("out", [.entry, .exits]) { $0.exits = layers == 1 ? nil : ExitChoice("entry") }
    #expect(tensors.names.contains("exits.entry.table") && !tensors.names.contains { $0.hasPrefix("exits.0.") })
    #expect(try sample.events("out", "stage").map { StageSummary.string($0["stage"]) } == ["entry"])
  }

  @Test("A text with a token that the model has no row for is named")
  func tokens() throws {
    let sample = try sample()
    let words = recipe().words + (40..<60).map { "w\($0)" }
    try sample.folder.write("model/vocab.txt", words.joined(separator: "\n") + "\n")
    #expect(sample.problem([.entry]) == "")
    let rows = try MappedFile(path: sample.data).withBytes { Array($0) }
    try sample.folder.write("train.tsv", rows + Array("0\tw9 w55 w56\n".utf8))
    let problem = sample.problem([.entry])
    #expect(problem.contains("line 121: token \"w55\" has id 55, but vocab_size in config.json is 40"), "\(problem)")
  }

  @Test("A classifier that no stage trains keeps the order of its classes, or is refused")
  func classes() throws {
    let sample = try sample()
    let names = ["World", "Sports", "Business"]
    func labels(_ stages: [StageName]) throws -> [String] {
      try sample.training(of: sample.checkpoint, sample.chosen(stages, { _ in })).context.labels
    }
    try sample.name(names)
    for rows in [["Business", "World", "Sports"], ["2", "0", "1"]] {
      try sample.label(rows)
      for stages in [[StageName.entry], [.exits], [.fineTuning]] { #expect(try labels(stages) == names) }
    }
    try sample.label(["business", "world", "sports"])
    for stages in [[StageName.entry], [.exits], [.entry, .exits]] {
      let problem = sample.problem(stages)
      #expect(problem.contains("World, Sports, Business; the data's are business, sports, world: which is which?"))
    }
    #expect(try labels([.fineTuning]) == ["business", "sports", "world"])
    // The head at the entry is one, too.
    _ = try recipe { $0.entry = .tokens }.write(in: sample.folder)
    try sample.name(names)
    #expect(sample.problem([.fineTuning]).contains("which is which?"))
    #expect(sample.problem([.entry, .fineTuning]) == "")
    try sample.name(["LABEL_0", "LABEL_1", "LABEL_2"])
    #expect(sample.problem([.exits]).contains("or write number<TAB>name into LABELS.txt"))
    try sample.label(["0", "1", "2"])
    #expect(sample.problem([.exits]) == "")
  }

  @Test("Exits that --exits does not name are taken out, where exits are trained")
  func otherExits() throws {
    let sample = try sample {
      ($0.hasExits, $0.entry, $0.addsEntry, $0.entryTemperature) = (true, .pairs(8), true, 2)
      ($0.temperatures, $0.salienceThreshold) = ([2, 3], 0.2)
    }
    let options = sample.chosen([.exits]) { $0.exits = ExitChoice("1") }
    let training = try sample.training(of: sample.checkpoint, options)
    #expect(training.notes.contains("the checkpoint's exits entry,2 are taken out: --exits does not name them"))
    let one = try sample.run("one", [.exits]) { $0.exits = ExitChoice("1") }
    #expect(
      Set(one.names.filter { $0.hasPrefix("exits.") || $0.hasPrefix("prune.") }) == [
        "exits.0.dense.weight", "exits.0.dense.bias", "exits.0.classifier.weight", "exits.0.classifier.bias",
        "exits.temperatures",
      ])
    #expect(try one.floats(of: "exits.temperatures")[1] == 1)
    #expect(try LoweredModel(Checkpoint(path: sample.folder.path("one")), name: "one").exitHeads == [0])
    // By default all of them stay.
    let all = try sample.run("all", [.exits])
    #expect(all.names.contains("exits.entry.bigrams") && all.names.contains("exits.1.dense.weight"))
  }

  @Test("Heads go where the layers below them are trained without them, and the entry stays")
  func formerHeads() throws {
    let sample = try sample { ($0.hasExits, $0.entry, $0.addsEntry, $0.temperatures) = (true, .tokens, true, [2, 3]) }
    let tensors = try sample.run("out", [.fineTuning])
    #expect(tensors.names.filter { $0.hasPrefix("exits.") }.sorted() == ["exits.entry.bias", "exits.entry.table"])
    let training = try sample.training(of: sample.checkpoint, sample.chosen([.fineTuning], { _ in }))
    #expect(
      training.notes.contains("the checkpoint's exits 1,2 are taken out: its layers are trained without them"))
    let joint = try sample.run("joint", [.fineTuning]) { $0.exitsTraining = .joint }
    #expect(joint.names.contains("exits.1.dense.weight") && joint.names.contains("exits.entry.table"))
  }
}
