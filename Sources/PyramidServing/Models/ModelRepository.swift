// Which models there are: found in a folder, loaded, made warm, and put in place of their predecessors in one step, so that
// a request has either the old model or the new one, and always one.

import Glibc
import MagicPyramid
import PyramidFormats
import Synchronization

/// The models of a server, by name and version.
public final class ModelRepository: Sendable {
  /// A model as it is found: `NAME.mpc` is version 1; `NAME/VERSION.mpc` and `NAME/VERSION/ANY.mpc` are versions of NAME.
  public struct Place: Sendable, Equatable {
    /// Its name and version.
    public let name: String, version: Int
    /// Its file.
    public let path: String
    fileprivate var stamp: FileStamp?
  }

  /// What tells a file from the one that replaced it.
  struct FileStamp: Sendable, Equatable {
    /// Some file systems number files up to 2^64.
    let device, inode: UInt
    let size, seconds, nanoseconds: Int

    init?(_ path: String) {
      var status = stat()
      guard stat(path, &status) == 0 else { return nil }
      self.init(status)
    }

    init(_ status: stat) {
      (device, inode, size) = (UInt(status.st_dev), UInt(status.st_ino), Int(status.st_size))
      (seconds, nanoseconds) = (Int(status.st_mtim.tv_sec), Int(status.st_mtim.tv_nsec))
    }
  }

  private struct State {
    var models: [String: [Int: (place: Place, model: ServedModel)]] = [:]
    /// Names that were unloaded, and stay so until they are loaded by name.
    var unloaded: Set<String> = []
    var isReady = false

    var all: [ServedModel] { models.values.flatMap { $0.values.map(\.model) } }
  }

  /// The file or folder.
  public let path: String
  /// The operator's choices.
  public let options: ServingOptions
  private let registry: PolicyRegistry
  private let metrics: MetricRegistry
  private let onTrouble: @Sendable (ServedModel, String) -> Void
  private let onPassedOver: @Sendable (String) -> Void
  private let state = Mutex(State())
  /// One loading at a time.
  private let turn = AsyncTurn()

  /// A repository of a file or a folder, with nothing loaded. For a log `onTrouble` is told what goes wrong, and
  /// `onPassedOver` what lies in the folder and is no model.
  public init(
    path: String, options: ServingOptions, registry: PolicyRegistry, metrics: MetricRegistry,
    onTrouble: @escaping @Sendable (ServedModel, String) -> Void = { _, _ in },
    onPassedOver: @escaping @Sendable (String) -> Void = { _ in }
  ) {
    (self.path, self.options, self.registry, self.metrics) = (path, options, registry, metrics)
    (self.onTrouble, self.onPassedOver) = (onTrouble, onPassedOver)
  }

  /// Whether all models were loaded and are warm.
  public var isReady: Bool { state.withLock { $0.isReady } }

  /// The models that are loaded, by name and version.
  public var models: [ServedModel] {
    state.withLock { $0.all }.sorted { ($0.name, $0.version) < ($1.name, $1.version) }
  }

  /// The model of a name; without a version the latest. Throws `notFound`.
  public func model(_ name: String, version: String? = nil) throws(ServingError) -> ServedModel {
    let versions = state.withLock { $0.models[name] ?? [:] }
    guard let latest = versions.keys.max() else {
      throw ServingError(.notFound, "there is no model \(name.quoted)")
    }
    guard let version, !version.isEmpty else { return versions[latest]!.model }
    guard let number = Int(version), let found = versions[number] else {
      throw ServingError(.notFound, "model \(name.quoted) has no version \(version.quoted)")
    }
    return found.model
  }

  /// The model of requests that name none: the only one.
  public func onlyModel() throws(ServingError) -> ServedModel {
    let names = state.withLock { Set($0.models.keys) }
    guard let name = names.first else { throw ServingError(.unavailable, "no model is loaded") }
    guard names.count == 1 else {
      throw ServingError(.notFound, "\(names.count) models are served: ask one by /v2/models/NAME/infer")
    }
    return try model(name)
  }

  /// Looks for models again and loads those that are new or whose files were replaced; `name` for one alone. Models whose
  /// files are gone are let go. Throws for the first that can't be loaded; nothing has changed then.
  public func load(_ name: String? = nil) async throws {
    try await turn.run { try await self.loadInTurn(name) }
  }

  private func loadInTurn(_ name: String?) async throws {
    let found = try Self.places(at: path, passing: name == nil ? onPassedOver : { _ in })
      .filter { name == nil || $0.name == name }
    if let name, found.isEmpty { throw ServingError(.notFound, "there is no model \(name.quoted) in the repository") }
    let before = state.withLock { $0 }
    var loaded: [String: [Int: (place: Place, model: ServedModel)]] = [:]
    for place in found where name != nil || !before.unloaded.contains(place.name) {
      if let known = before.models[place.name]?[place.version], known.place == place {
        loaded[place.name, default: [:]][place.version] = known
        continue
      }
      let model = try ServedModel(
        name: place.name, version: place.version, path: place.path, options: options, registry: registry,
        metrics: metrics, onTrouble: onTrouble)
      try await model.warmUp()
      loaded[place.name, default: [:]][place.version] = (place, model)
    }
    change { [loaded] state in
      if let name {
        state.models[name] = loaded[name]
        state.unloaded.remove(name)
      } else {
        state.models = loaded
        state.isReady = true
      }
    }
  }

  /// Puts models in place and lets others go, with what was measured of those now and then.
  private func change(_ body: (inout State) -> Void) {
    let gone = state.withLock { state in
      let before = state.all
      body(&state)
      let now = state.all
      return before.filter { old in !now.contains { $0 === old } }
    }
    for model in gone { model.metrics.removeGauges() }
  }

  /// Lets a model go; requests that have it are answered. Throws `notFound`.
  public func unload(_ name: String) async throws {
    try await turn.run {
      _ = try self.model(name)
      self.change { state in
        state.unloaded.insert(name)
        state.models[name] = nil
      }
    }
  }

  /// The models at a path; `onPassedOver` is told the files that are none, but for hidden ones. Throws `FormatError` where
  /// there is no model, or one twice.
  static func places(at path: String, passing onPassedOver: (String) -> Void) throws -> [Place] {
    var places: [Place] = []
    func add(_ name: String, _ version: Int, _ path: String) throws {
      guard !places.contains(where: { $0.name == name && $0.version == version }) else {
        throw FormatError(
          file: path, problem: "is version \(version) of \(name.quoted), of which there is another file")
      }
      places.append(Place(name: name, version: version, path: path, stamp: FileStamp(path)))
    }
    func stem(_ file: String) -> String? { file.hasSuffix(".mpc") ? String(file.dropLast(4)) : nil }
    guard FileKind(at: path) == .folder else {
      let file = path.split(separator: "/").last.map(String.init) ?? path
      try add(stem(file) ?? file, 1, path)
      return places
    }
    // The root of a file system has a folder that is its own, and nobody else's to list.
    for entry in try Folder(path: path).entries where entry != "lost+found" {
      let inner = path + "/" + entry
      guard FileKind(at: inner) == .folder else {
        if let name = stem(entry) { try add(name, 1, inner) } else { onPassedOver(inner) }
        continue
      }
      for version in try Folder(path: inner).entries {
        let file = inner + "/" + version
        if let number = stem(version).flatMap({ Int($0) }), number > 0 {
          try add(entry, number, file)
        } else if let number = Int(version), number > 0, FileKind(at: file) == .folder {
          for name in try Folder(path: file).entries {
            let place = file + "/" + name
            if stem(name) != nil { try add(entry, number, place) } else { onPassedOver(place) }
          }
        } else {
          onPassedOver(file)
        }
      }
    }
    guard !places.isEmpty else {
      throw FormatError(file: path, problem: "holds no model: put NAME.mpc or NAME/VERSION.mpc there")
    }
    return places
  }
}

/// Lets one task through at a time, in the order of their arrival.
private actor AsyncTurn {
  private var last: Task<Void, Never>?

  func run(_ body: @escaping @Sendable () async throws -> Void) async throws {
    let before = last
    let mine = Task {
      await before?.value
      try await body()
    }
    last = Task { _ = await mine.result }
    try await mine.value
  }
}
