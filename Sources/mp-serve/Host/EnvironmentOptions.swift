// Options from the environment: MP_SERVE_MAX_LAYERS=4 is --max-layers 4, unless that is on the command line. Made from
// the names alone, so that an option can't be forgotten here, and one that does not exist is an error as always.

#if Server
  import Glibc

  enum EnvironmentOptions {
    private static let prefix = "MP_SERVE_"
    /// Options without a value.
    private static let flags: Set = ["--adaptive", "--copy"]

    /// Options of which one on the command line stands for the other, too.
    private static let others = ["--token": "--token-file", "--token-file": "--token"]

    /// The model, which is no option; nil where the environment has none.
    static var model: String? { variables().first { $0.name == "MODEL" && !$0.value.isEmpty }?.value }

    /// The process's arguments, after those that its environment stands for.
    static func arguments() -> [String] {
      let given = Array(CommandLine.arguments.dropFirst())
      func isGiven(_ option: String) -> Bool { given.contains { $0 == option || $0.hasPrefix(option + "=") } }
      var options: [String] = []
      for (name, value) in variables() where name != "MODEL" {
        let option = "--" + name.lowercased().split(separator: "_").joined(separator: "-")
        if isGiven(option) || others[option].map(isGiven) == true { continue }
        if option == "--plugin" {
          // As PATH has several.
          options += value.split(separator: ":").map { "\(option)=\($0)" }
        } else if flags.contains(option) {
          switch value.lowercased() {
          case "1", "true", "yes", "on": options.append(option)
          case "0", "false", "no", "off", "": break
          // The parser refuses a flag with a value, and names both.
          default: options.append("\(option)=\(value)")
          }
        } else {
          options.append("\(option)=\(value)")
        }
      }
      return options + given
    }

    private static func variables() -> [(name: String, value: String)] {
      var (found, next) = ([(String, String)](), environ)
      while let entry = next.pointee {
        let parts = String(cString: entry).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        if parts.count == 2, parts[0].hasPrefix(prefix), !isServiceLink(parts[0], parts[1]) {
          found.append((String(parts[0].dropFirst(prefix.count)), String(parts[1])))
        }
        next += 1
      }
      return found.sorted { $0.0 < $1.0 }
    }

    /// Whether Kubernetes sets a variable so, for a Service whose name begins with mp-serve: SERVICE_HOST,
    /// SERVICE_PORT_HTTP, PORT=tcp://10.0.0.1:80, PORT_80_TCP_ADDR.
    private static func isServiceLink(_ name: Substring, _ value: Substring) -> Bool {
      name.hasSuffix("_SERVICE_HOST") || name.contains("_SERVICE_PORT")
        || name.hasSuffix("PORT") && value.contains("://")
        || name.contains("_PORT_") && ["_TCP", "_UDP", "_SCTP"].contains { name.contains($0) }
    }
  }
#endif
