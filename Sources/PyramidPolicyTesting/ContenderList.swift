// The contenders of one comparison: those of every precision side by side, random controls under several seeds, and what
// a policy has to beat.

import MagicPyramid
import PyramidEvaluation
import PyramidFormats

/// Contenders, dense first, then policies as they were given, then null models.
public struct ContenderList {
  /// The contenders.
  public private(set) var contenders: [Contender] = []
  /// What a reader of the report should know about the choice.
  public private(set) var notes: [String] = []

  /// Contenders of `options` for each of the sources, one precision each; the first source's dense is what all are
  /// compared with. A policy that draws at random and names no seed stands for `seeds` of them. Null models are made of
  /// `nulls`, nil for none. Throws what `ModelSource.contenders` throws, and `ComparisonError` for two of one name.
  public init(
    of sources: [ModelSource], _ options: [PolicyOption], seeds: Int = 1, nulls: ModelSource?,
    progress: (String) -> Void = { _ in }
  ) throws {
    let options = try options.flatMap { try seeded($0, seeds, sources[0]) }
    for (index, source) in sources.enumerated() {
      for var contender in try Self.contenders(of: source, options, progress) {
        if sources.count > 1, index > 0 || contender.role != .dense {
          contender.name += ", \(contender.source.precision.rawValue)"
        }
        // A compiled model has one precision, whichever is asked for.
        if index > 0, contender.source.isCompiled, contenders.contains(where: { $0.name == contender.name }) {
          continue
        }
        if index > 0, contender.role == .dense { contender.role = .policy }
        contenders.append(contender)
      }
    }
    if let (models, notes) = try nulls?.nullModels(progress: progress) {
      contenders += models
      self.notes += notes
    }
    var names: Set<String> = []
    for contender in contenders where !names.insert(contender.name).inserted {
      throw ComparisonError("two contenders are called '\(contender.name)'; choose another name")
    }
  }

  /// Dense of `source`, then the options in their order; those with a model of their own come from that.
  private static func contenders(
    of source: ModelSource, _ options: [PolicyOption], _ progress: (String) -> Void
  ) throws -> [Contender] {
    var found: [String: Contender] = [:]
    let own = options.filter { $0.model == nil }
    let dense = try source.contenders(own, orDenseAlone: own.count < options.count, progress: progress)
    for contender in dense.dropFirst() { found[contender.name] = contender }
    for path in Set(options.compactMap(\.model)).sorted() {
      let other = try source.sibling(path)
      guard other.labels == source.labels else {
        throw ComparisonError("\(path): its classes are not those of \(source.path), in the same order")
      }
      guard other.task == source.task else {
        throw ComparisonError("\(path): is for \(other.task.rawValue), and \(source.path) for \(source.task.rawValue)")
      }
      let contenders = try other.contenders(options.filter { $0.model == path }, progress: progress)
      for contender in contenders.dropFirst() { found[contender.name] = contender }
    }
    if own.isEmpty, options.isEmpty { return dense }
    return dense.prefix(1) + options.compactMap { found[$0.name] }
  }

  private mutating func seeded(_ option: PolicyOption, _ seeds: Int, _ source: ModelSource) throws -> [PolicyOption] {
    guard seeds > 1, let kind = try source.drawsAtRandom(option) else { return [option] }
    notes.append("\(option.name): draws at random, under \(seeds) seeds")
    func with(_ seed: Int, _ text: String?) -> String? {
      text.map { text in
        guard text.utf8.last == UInt8(ascii: ")") else { return "\(text)(seed=\(seed))" }
        let isEmpty = Array(text.utf8.dropLast())[...].trimmed.utf8.last == UInt8(ascii: "(")
        return "\(text.dropLast())\(isEmpty ? "" : ", ")seed=\(seed))"
      }
    }
    return (1...seeds).map { seed in
      PolicyOption(
        name: "\(option.name), seed \(seed)", exit: kind == .exit ? with(seed, option.exit) : option.exit,
        prune: kind == .prune ? with(seed, option.prune) : option.prune, model: option.model)
    }
  }

  /// What ties a measurement that was interrupted to these contenders, texts and options; `files` are others that answers
  /// or times depend on, plugins and profiles. Throws `FormatError` when one can't be read.
  public func identity(_ workload: Workload, _ options: MeasurementOptions, files: [String] = []) throws -> String {
    var lines = contenders.map { contender in
      let policies = contender.classifier.policies
      return "\(contender.name)\t\(contender.classifier.model.header.checkpoint)\t\(contender.source.precision)\t"
        + policies.all.map { $0.element.spec.description }.joined(separator: "\t")
    }
    lines.append(
      "\(workload.batch) \(options.isTimed ? options.repetitions : 0) \(options.nullRepetitions) \(options.threads) "
        + "\(workload.plan)")
    lines.append(magicPyramidVersion)
    for file in files { lines.append(try MappedFile(path: file).withBytes { Checksum.sha256(of: $0) }) }
    lines.append("\(contenders[0].source.labelThreshold)")
    lines += workload.texts.map { "\($0.target)\t\($0.text)\t\($0.pair ?? "")\t\($0.group ?? "")" }
    return Checksum.sha256(of: lines.joined(separator: "\n"))
  }
}
