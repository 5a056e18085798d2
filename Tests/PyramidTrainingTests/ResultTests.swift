// The folder that a training leaves: names, configuration, copied files; and what it is made from.

import PyramidFormats
import PyramidModels
import PyramidTestSupport
import Testing

@testable import PyramidTraining

@Suite("Result folder")
struct ResultTests {
  @Test("The result has the names that transformers expects, the labels, and the tokenizer byte for byte")
  func names() throws {
    let sample = try TrainingSample()
    try sample.folder.write("model/special_tokens_map.json", "{}\r\n")
    try sample.train("out")
    let weights = try SafetensorsFile(path: sample.folder.path("out/model.safetensors"))
    let names = Set(weights.tensors.map(\.name))
    for name in [
      "bert.embeddings.word_embeddings.weight", "bert.encoder.layer.0.attention.self.query.bias",
      "bert.pooler.dense.weight", "classifier.weight", "classifier.bias",
    ] { #expect(names.contains(name)) }
    #expect(weights.tensors.allSatisfy { $0.type == .F32 } && weights.metadata["format"] == "pt")
    let root = try JSONField(path: sample.folder.path("out/config.json"))
    #expect(root.value["architectures"] == ["BertForSequenceClassification"])
    #expect(root.value["id2label"] == ["0": "class 0", "1": "class 1", "2": "class 2"])
    #expect(root.value["label2id"] == ["class 0": 0, "class 1": 1, "class 2": 2])
    // The bag of this test is no exit head, so there is nothing that one would read.
    #expect(root.value["magic_pyramid"] == nil)
    for name in ["vocab.txt", "special_tokens_map.json"] {
      let (from, to) = (sample.folder.path("model/\(name)"), sample.folder.path("out/\(name)"))
      #expect(try MappedFile(path: from).withBytes { Array($0) } == MappedFile(path: to).withBytes { Array($0) })
    }
    for name in ["training-report.json", "training-log.jsonl", "curve.svg", "README.md"] {
      #expect(FileKind(at: sample.folder.path("out/\(name)")) == .regular)
    }
    #expect(FileKind(at: sample.folder.path("out/training-state.safetensors")) == .missing)
  }

  @Test("A result that is written over another keeps nothing of that one's tokenizer, and what is no training's")
  func overwritten() throws {
    let sample = try TrainingSample()
    try sample.train("out")
    let own = ["notes.txt", "LICENSE", "NOTICE"]
    for name in ["tokenizer.json", "added_tokens.json"] + own { try sample.folder.write("out/\(name)", "{}") }
    try sample.train("out", .overwriting)
    #expect(FileKind(at: sample.folder.path("out/tokenizer.json")) == .missing)
    #expect(FileKind(at: sample.folder.path("out/added_tokens.json")) == .missing)
    #expect(FileKind(at: sample.folder.path("out/vocab.txt")) == .regular)
    for name in own { #expect(FileKind(at: sample.folder.path("out/\(name)")) == .regular) }
  }

  @Test("Matrices are stored as asked, vectors as f32, and the report names the rows that were held out")
  func halfPrecision() throws {
    let sample = try TrainingSample()
    var options = sample.options
    try sample.train("whole", options: options)
    options.weights = .f16
    try sample.train("half", options: options)
    let whole = try SafetensorsFile(path: sample.folder.path("whole/model.safetensors"))
    let half = try SafetensorsFile(path: sample.folder.path("half/model.safetensors"))
    #expect(Set(half.tensors.map(\.type)) == [.F16, .F32])
    for tensor in half.tensors {
      #expect((tensor.type == .F16) == (tensor.shape.count > 1))
      let exact = try whole.floats(of: try #require(whole.tensors.first { $0.name == tensor.name }))
      #expect(zip(try half.floats(of: tensor), exact).allSatisfy { abs($0 - $1) <= abs($1) / 1024 + 1e-7 })
    }
    let report = try JSONField(path: sample.folder.path("half/training-report.json"))
    #expect(try report.required("held_out_rows").elements().count == 6)
    #expect(try Checkpoint(path: sample.folder.path("half")).weights.tensors.names.count == half.tensors.count)
  }

  @Test("What no stage trains stays as it was, to the bit", arguments: CheckpointRecipe.Family.allCases)
  func untouched(family: CheckpointRecipe.Family) throws {
    let folder = try TemporaryFolder()
    let path = try CheckpointRecipe(family).write(in: folder)
    let checkpoint = try Checkpoint(path: path)
    let set = try ParameterSet(checkpoint, labels: ["a", "b", "c"], seed: 1)
    let before = checkpoint.weights.tensors
    #expect(set.all.count == before.names.count)
    for parameter in set.all {
      let name = Weights.fileName(parameter.name, family: family.rawValue)
      #expect(try before.floats(of: name) == parameter.array, "\(name)")
    }
  }

  @Test("An encoder gets a head with seeded values, and heads of pre-training are left behind")
  func bareEncoder() throws {
    let folder = try TemporaryFolder()
    let path = try CheckpointRecipe().write(in: folder)
    let whole = try SafetensorsFile(path: path + "/model.safetensors")
    let encoder = whole.tensors.filter {
      !$0.name.contains("pooler") && !$0.name.hasPrefix("classifier") && !$0.name.hasPrefix("exits")
    }
    let other = TensorDeclaration("cls.predictions.bias", .F32, [1])
    var writer = try SafetensorsWriter(
      path: path + "/bare",
      tensors: encoder.map { TensorDeclaration(String($0.name.dropFirst(5)), .F32, $0.shape) } + [other],
      alignment: 1)
    for tensor in encoder { try writer.append(try whole.floats(of: tensor), to: String(tensor.name.dropFirst(5))) }
    try writer.append([1], to: other.name)
    try writer.finish()
    try folder.write("model/model.safetensors", try MappedFile(path: path + "/bare").withBytes { Array($0) })
    let checkpoint = try Checkpoint(path: path)
    let labels = (0..<5).map { "label \($0)" }
    let set = try ParameterSet(checkpoint, labels: labels, seed: 1)
    #expect(set["cls.predictions.bias"] == nil && set["classifier.bias"]!.array == [0, 0, 0, 0, 0])
    let values = set["classifier.weight"]!.array
    #expect(set["classifier.weight"]!.shape == [5, 16] && set["pooler.dense.weight"]!.shape == [16, 16])
    #expect(values.allSatisfy { abs($0) < 0.1 } && Set(values).count > 70)
    #expect(try ParameterSet(checkpoint, labels: labels, seed: 1)["classifier.weight"]!.array == values)
    #expect(try ParameterSet(checkpoint, labels: labels, seed: 2)["classifier.weight"]!.array != values)
    // To compile it as it is stays an error.
    #expect(throws: CheckpointError.self) { try LoweredModel(checkpoint, name: "x") }
  }

  @Test("Layers that share their weights in groups are as many after a training as before")
  func sharedLayers() throws {
    let folder = try TemporaryFolder()
    var recipe = CheckpointRecipe(.albert)
    (recipe.layers, recipe.hasExits) = (2, false)
    let path = try recipe.write(in: folder)
    let file = try SafetensorsFile(path: path + "/model.safetensors")
    var tensors = try file.tensors.map { (name: $0.name, shape: $0.shape, values: try file.floats(of: $0)) }
    // The group's second layer, with weights of its own.
    tensors += tensors.filter { $0.name.contains(".albert_layers.0.") }.map { tensor in
      let name = tensor.name.replacing(".albert_layers.0.", with: ".albert_layers.1.")
      return (name: name, shape: tensor.shape, values: tensor.values)
    }
    var writer = try SafetensorsWriter(
      path: path + "/model.safetensors", tensors: tensors.map { TensorDeclaration($0.name, .F32, $0.shape) },
      alignment: 1)
    for tensor in tensors { try writer.append(tensor.values, to: tensor.name) }
    try writer.finish()
    var configuration = try JSONField(path: path + "/config.json").object()
    configuration["inner_group_num"] = 2
    try OutputFile.write(JSONWriter.string(.object(configuration)), to: path + "/config.json")
    let sample = try TrainingSample(checkpoint: path, classes: 3, folder: folder)
    try sample.train("out")
    #expect(try Checkpoint(path: path).configuration.layers == 4)
    #expect(try Checkpoint(path: folder.path("out")).configuration.layers == 4)
  }

  @Test("A classifier for other classes is not silently replaced")
  func otherClasses() throws {
    let folder = try TemporaryFolder()
    let checkpoint = try Checkpoint(path: CheckpointRecipe().write(in: folder))
    func problem(_ labels: [String]) -> String {
      let error = #expect(throws: TrainingError.self) { try ParameterSet(checkpoint, labels: labels, seed: 1) }
      return error?.description.replacing(checkpoint.path, with: "") ?? ""
    }
    let others = ": its classifier has 3 classes, the data 2; for other classes start from the encoder's own checkpoint"
    for labels in [["a", "b"], ["1", "3"], ["01", "2"]] { #expect(problem(labels).hasPrefix(others), "\(labels)") }
    let missing = ": its classifier has 3 classes, and no row has the label 'class 1' (class 1)"
    #expect(problem(["0", "2"]) == missing)
  }

  @Test("Without a word, small sets are gone through more often, until a stage has some hundred updates")
  func usualEpochs() {
    var options = TrainingOptions()
    func epochs(_ batches: Int) -> [Int] { StageName.allCases.map { options.epochs(of: $0, batches: batches) } }
    #expect(epochs(1600) == [0, 3, 1, 2, 2] && epochs(100) == [0, 6, 2, 4, 15] && epochs(8) == [0, 20, 20, 20, 100])
    options.exitsTraining = .joint
    #expect(epochs(100).last == 6 && epochs(1).last == 20)
  }

  @Test("Epochs are those of the paper's four stages, of those that run, or one for all")
  func epochs() {
    var options = TrainingOptions()
    options.stages = [.entry, .fineTuning, .exits]
    func epochs(_ numbers: [Int]) -> [Int] {
      options.epochs = numbers
      return [.fineTuning, .exits, .entry].map { options.epochs(of: $0, batches: 10) }
    }
    #expect(epochs([3, 1, 2, 4]) == [3, 4, 0] && epochs([3, 2]) == [3, 2, 0] && epochs([5])[0...1] == [5, 5])
    #expect(ExitChoice("entry,2,1")?.description == "entry,1,2" && ExitChoice("1,1") == nil && ExitChoice("0") == nil)
    options.exits = ExitChoice("6")
    #expect(throws: TrainingError.self) { try options.exits(layers: 6) }
  }
}
