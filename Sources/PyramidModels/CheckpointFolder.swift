// What lies in a checkpoint's folder: where the hub's cache keeps it, which files hold its weights, and what to do where
// they are in a form that is not read. People's first folder is often such a one, so each says the command that helps.

import PyramidFormats

extension Folder {
  /// The folder itself, or the snapshot that a model's folder of the hub's cache (`models--ORG--NAME`) is at: that of
  /// `refs/main`, or the only one. Throws when that can't be told.
  func snapshot() throws(FormatError) -> Folder {
    let snapshots = path(of: "snapshots")
    guard !has("config.json"), FileKind(at: snapshots) == .folder else { return self }
    let main = path(of: "refs/main")
    let names: [String]
    if has("refs/main") {
      let bytes = try MappedFile(path: main).withBytes { Array($0.prefix(256)) }
      let text = String(decoding: bytes, as: UTF8.self)
      let name = String(text.prefix { $0 != "\n" && $0 != "\r\n" })
      guard !name.isEmpty, !name.contains("/"), !name.hasPrefix(".") else {
        throw FormatError(file: main, problem: "expected the name of a snapshot, found \(text.quoted)")
      }
      names = [name]
    } else {
      names = try Folder(path: snapshots).entries
    }
    guard names.count == 1 else {
      let list = names.prefix(10).joined(separator: ", ")
      throw FormatError(
        file: snapshots, problem: "expected one snapshot, found \(names.count); give one as the checkpoint: \(list)")
    }
    return try Folder(path: "\(snapshots)/\(names[0])")
  }

  /// The folder's tensors, and the paths of the files that were read for them.
  func tensors() throws(FormatError) -> (TensorCollection, files: [String]) {
    let (single, index) = (path(of: "model.safetensors"), path(of: "model.safetensors.index.json"))
    if has("model.safetensors") {
      return (try TensorCollection(files: [SafetensorsFile(path: single)]), [single])
    }
    guard has("model.safetensors.index.json") else { throw missingWeights() }
    let shards = try ShardIndex(JSONField(path: index))
    var opened: [SafetensorsFile] = []
    for shard in shards.shards { opened.append(try SafetensorsFile(path: path(of: shard))) }
    let tensors = try TensorCollection(files: opened)
    try shards.check(opened)
    return (tensors, [index] + opened.map(\.path))
  }

  /// Throws when the folder holds an adapter: `transformers` would put it on the model that it names.
  func refuseAdapter() throws(FormatError) {
    guard has("adapter_config.json") else { return }
    let file = path(of: "adapter_config.json")
    let base = try JSONField(path: file).optional("base_model_name_or_path")?.found ?? "another model"
    throw FormatError(
      file: file,
      problem: "the folder holds an adapter of \(base); merge the two once with: python3 -c \"import sys; "
        + "from peft import AutoPeftModelForSequenceClassification as M; from transformers import AutoTokenizer as T; "
        + "M.from_pretrained(sys.argv[1]).merge_and_unload().save_pretrained(sys.argv[2]); "
        + "T.from_pretrained(sys.argv[1]).save_pretrained(sys.argv[2])\" \(path.shellQuoted) "
        + "\(mergedPath.shellQuoted), and compile that (or remove the file if they are merged already)")
  }

  private var mergedPath: String { String(path.reversed().drop { $0 == "/" }.reversed()) + "-merged" }

  /// The error for a folder without safetensors, with what to do about the weights that there are.
  private func missingWeights() -> FormatError {
    for name in ["pytorch_model.bin", "pytorch_model.bin.index.json"] where has(name) {
      return FormatError(
        file: self.path(of: name),
        problem: "PyTorch's pickle format can run code and is not read; convert it once with: \(convertCommand)")
    }
    for (name, framework, argument) in [
      ("tf_model.h5", "TensorFlow", "from_tf"), ("flax_model.msgpack", "Flax", "from_flax"),
    ] where has(name) {
      return FormatError(
        file: self.path(of: name),
        problem: "\(framework)'s weights are not read; convert them once, with pip install 'transformers<5' torch "
          + "\(framework.lowercased()), by: python3 -c \"import sys; "
          + "from transformers import AutoModelForSequenceClassification as M; "
          + "M.from_pretrained(sys.argv[1], \(argument)=True).save_pretrained(sys.argv[1])\" \(path.shellQuoted)")
    }
    let files = ((try? entries) ?? []) + ((try? Folder(path: path(of: "onnx")).entries.map { "onnx/\($0)" }) ?? [])
    for (ending, kind) in [(".onnx", "an ONNX graph"), (".gguf", "a GGUF file"), (".ot", "a file of rust-bert")] {
      guard let name = files.first(where: { $0.hasSuffix(ending) }) else { continue }
      return FormatError(
        file: self.path(of: name),
        problem:
          "\(kind) is not read; compile the checkpoint that it was made from: a folder with model.safetensors, as "
          + "save_pretrained writes it")
    }
    return FormatError(file: path, problem: "has neither model.safetensors nor model.safetensors.index.json")
  }

  /// `weights_only` keeps PyTorch from running what a pickle says; copies separate tensors that share memory.
  private var convertCommand: String {
    "python3 -c \"import glob, sys, torch; from safetensors.torch import save_file; "
      + "w = {}; p = glob.escape(sys.argv[1]); "
      + "[w.update(torch.load(f, map_location='cpu', weights_only=True)) "
      + "for f in glob.glob(p + '/pytorch_model*.bin')]; "
      + "save_file({k: v.clone().contiguous() for k, v in w.items()}, "
      + "sys.argv[1] + '/model.safetensors', {'format': 'pt'})\" \(path.shellQuoted)"
  }
}
