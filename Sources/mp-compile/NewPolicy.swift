// mp-compile new-policy: the package of one policy, ready to build and to test. The texts of its files are PolicyPackage's.

import ArgumentParser
import Glibc
import MagicPyramid
import PyramidFormats
import PyramidTools

struct NewPolicy: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "new-policy",
    abstract: "Writes a Swift package with one policy, its card and its tests.",
    discussion: """
      The policy works as it is written: change its criterion, then its tests. They ask it without a model, check its \
      contract, and compare it with dense and a control on the embedded model.

      EXAMPLES
        mp-compile new-policy lead --kind exit
        cd lead && swift test
        mp-compile CHECKPOINT -o lead.mpc --exit lead --plugin Sources/LeadPolicy/Lead.swift
      """)

  @Argument(help: "The policy's name in kebab-case.")
  var name: String

  @Option(help: "exit or prune.")
  var kind: PolicyKind

  @Option(help: "Folder to write, new or empty; by default one called as the policy.", completion: .directory)
  var output: String?

  @Option(
    help: "The package that has the SDK, as a path or a URL; by default the checkout that this tool was built from.")
  var package: String?

  @Option(help: "Least version of the SDK's package, for a URL.")
  var packageVersion: String?

  @Flag(help: "No notes on standard error.")
  var quiet = false

  func validate() throws {
    guard let packageVersion else { return }
    let parts = packageVersion.split(separator: ".", omittingEmptySubsequences: false).map { Int($0) }
    guard parts.count == 3, parts.allSatisfy({ $0 ?? -1 >= 0 }) else {
      throw ValidationError("--package-version wants three numbers, such as \(magicPyramidVersion)")
    }
  }

  func run() throws {
    let spec = try PolicySpec(name)
    guard spec.name == name else { throw ValidationError("'\(name)': a new policy has a name only") }
    if let known = try PolicyCatalogue.registry().all.first(where: { $0.name == name }) {
      throw ValidationError("'\(known.name)' is a built-in policy: choose another name")
    }
    let package = try PolicyPackage(name: name, kind: kind, dependency: dependency())
    var output = output ?? name
    while output.utf8.count > 1, output.utf8.last == UInt8(ascii: "/") { output.removeLast() }
    if output.split(separator: "/").last.map({ $0 == "." || $0 == ".." }) ?? true {
      throw ValidationError("--output \(output): name the folder")
    }
    try write(package, to: output)
    Terminal(quiet: quiet).note("wrote \(output); next: cd \(ShellText.quoted(output)) && swift test")
  }

  private func dependency() throws -> PolicyPackage.Dependency {
    guard let given = package ?? PolicyPackage.checkout else {
      throw ValidationError("the checkout that this tool was built from is gone: give one with --package, or a URL")
    }
    let isPath = FileKind(at: "\(given)/Package.swift") == .regular
    if !isPath, given.utf8.contains(UInt8(ascii: ":")) {
      return .url(given, from: packageVersion ?? magicPyramidVersion)
    }
    guard packageVersion == nil else { throw ValidationError("--package-version is for a URL; a path has what it has") }
    guard isPath, let path = realpath(given, nil) else {
      throw ValidationError("--package \(given): there is no Package.swift; give a checkout's folder, or a URL")
    }
    defer { free(path) }
    return .path(String(cString: path))
  }

  /// Writes everything beside the folder and gives it its name at the end, so that there is a whole package or none.
  private func write(_ package: PolicyPackage, to output: String) throws {
    var template = Array("\(output).XXXXXX".utf8CString)
    guard let made = template.withUnsafeMutableBufferPointer({ mkdtemp($0.baseAddress!).map { String(cString: $0) } })
    else { throw failure("can't write beside \(output)") }
    let folders = package.files.map(\.path).flatMap { path in
      let parts = path.split(separator: "/").dropLast()
      return parts.indices.map { parts[...$0].joined(separator: "/") }
    }
    do {
      chmod(made, 0o755)
      for folder in Set(folders).sorted() where mkdir("\(made)/\(folder)", 0o755) != 0 { throw failure(folder) }
      for file in package.files { try OutputFile.write(file.text, to: "\(made)/\(file.path)") }
      // An empty folder gives way, anything else stays as it is.
      guard rename(made, output) == 0 else {
        throw errno == ENOTEMPTY || errno == EEXIST || errno == ENOTDIR
          ? PolicyPackageError("\(output) is there already: give --output a new or empty folder") : failure(output)
      }
    } catch {
      for file in package.files { unlink("\(made)/\(file.path)") }
      for folder in Set(folders).sorted().reversed() { rmdir("\(made)/\(folder)") }
      rmdir(made)
      throw error
    }
  }

  private func failure(_ what: String) -> any Error {
    PolicyPackageError("\(what): \(String(cString: strerror(errno)))")
  }
}

extension PolicyKind: ExpressibleByArgument {}
