// mp-serve: compiled models behind a port. Options in, a service group out; without the package trait `Server` there is
// only a word on how to build it, so that the library's users neither fetch nor build an HTTP server.

#if Server
  import ArgumentParser
  import MagicPyramid
  import PyramidFormats
  import PyramidServing
  import PyramidTools

  @main
  struct MPServe: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "mp-serve",
      abstract: "Serves compiled models over HTTP and gRPC.",
      discussion: """
        Speaks the Open Inference Protocol, version 2 (/v2, as Triton, KServe and MLServer do, with binary tensors), and \
        text-embeddings-inference's /predict, /rerank and /info; /metrics is for Prometheus, /openapi.json describes all, \
        / is a page to try it on. Every option can also be given as MP_SERVE_<OPTION>, as MP_SERVE_PORT=8080. SIGHUP looks \
        for new and replaced models, and reads the TLS certificate again; SIGTERM answers what came in, and ends.

        EXAMPLES
          mp-serve model.mpc
          mp-serve models/ --port 8080 --max-layers 4 --deadline-ms 100
          mp-serve model.mpc --exit 'entropy(threshold=0.02)' --adaptive
          curl localhost:8080/predict -H 'Content-Type: application/json' -d '{"inputs": "I like you."}'
        """,
      version: ToolVersion.text(of: "mp-serve"))

    @Argument(
      help: """
        Compiled model, or a folder of NAME.mpc, NAME/VERSION.mpc and NAME/VERSION/ANY.mpc; by default MP_SERVE_MODEL.
        """, completion: .file())
    var model: String?

    @Option(help: "Address to listen at.")
    var host = "127.0.0.1"

    @Option(help: "Port for HTTP.")
    var port = 8080

    @Option(help: "Port for gRPC; 0 for none.")
    var grpcPort = 8081

    @Option(help: "Exit policy in place of the compiled one.", transform: { try PolicySpec($0) })
    var exit: PolicySpec?

    @Option(help: "Pruning policy in place of the compiled one.", transform: { try PolicySpec($0) })
    var prune: PolicySpec?

    @Option(
      help: "Exit policies that requests may ask for: SPEC..SPEC, as 'entropy(threshold=0)..entropy(threshold=0.2)'.",
      transform: { try PolicyRange($0) })
    var exitRange: PolicyRange?

    @Option(help: "Pruning policies that requests may ask for, likewise.", transform: { try PolicyRange($0) })
    var pruneRange: PolicyRange?

    @Option(help: "Layers that run at most: the last head up to there answers. Requests may ask for less.")
    var maxLayers: Int?

    @Option(help: "Milliseconds after which a request is answered by the next head, or not at all; 0 for no end.")
    var deadlineMs = 0

    @Flag(help: "Loosen the exit policy from --exit towards the certified one as the queue fills.")
    var adaptive = false

    @Option(help: "Share of the texts that is answered without policies, too, to watch that they agree.")
    var shadow = 0.0

    @OptionGroup var team: ThreadOptions

    @Option(help: "Most tokens computed at once, by default what the model admits.")
    var batchTokens: Int?

    @Option(help: "A model with several labels answers those with at least this probability.")
    var labelThreshold: Float = 0.5

    @Option(help: "Most tokens that wait for answers, for each model; what comes beyond is refused with 429.")
    var queueTokens = 65_536

    @Option(help: "Most texts of a request.")
    var maxTexts = 1024

    @Option(help: "Most bytes of one text.")
    var maxText = 1 << 20

    @Option(help: "Most bytes of a request's body or message; all on their way have 64 times that together.")
    var maxBody = 8 << 20

    @Option(help: "Most bytes of a request's headers.")
    var maxHeader = 16 << 10

    @Flag(help: "Read models into memory, where nobody can change them, instead of mapping their files.")
    var copy = false

    @Option(help: "Most connections at a time, of HTTP and of gRPC each; others wait.")
    var maxConnections = 16_384

    @Option(help: "Seconds after which an idle connection is closed, and a body not there or a reply not taken lost.")
    var idleTimeout = 60

    @Option(help: "Seconds that requests have to end after SIGTERM, and after --drain-delay.")
    var drainTimeout = 30

    @Option(
      help: "Seconds after SIGTERM in which requests are still taken while readiness is 503: load balancers turn away.")
    var drainDelay = 0

    @Option(help: "Bearer token that requests must have. Better in MP_SERVE_TOKEN, or in a file.")
    var token: String?

    @Option(help: "File that holds the bearer token.", completion: .file())
    var tokenFile: String?

    @Option(help: "Certificate chain for TLS, PEM.", completion: .file())
    var tlsCertificate: String?

    @Option(help: "Private key for TLS, PEM.", completion: .file())
    var tlsKey: String?

    @Option(help: "text or json.")
    var logFormat = LogFormat.text

    @Option(help: "trace, debug, info, notice, warning, error or critical.")
    var logLevel = "info"

    @OptionGroup var trace: TraceOptions

    @OptionGroup var plugins: PluginOptions

    /// The model's file or the folder; empty where there is none, which `validate` refuses.
    var path: String { model ?? EnvironmentOptions.model ?? "" }

    static func main() async {
      OutputFile.keepStandardDescriptors()
      await main(EnvironmentOptions.arguments())
    }

    func validate() throws {
      if path.isEmpty { throw ValidationError("give a model or a folder of models, or set MP_SERVE_MODEL") }
      guard (0...65_535).contains(port), (0...65_535).contains(grpcPort) else {
        throw ValidationError("--port and --grpc-port must be 0 to 65535")
      }
      if port == grpcPort, port > 0 { throw ValidationError("--port and --grpc-port are both \(port)") }
      if !(0...1).contains(shadow) { throw ValidationError("--shadow must be 0 to 1") }
      if !(0...1).contains(labelThreshold) { throw ValidationError("--label-threshold must be 0 to 1") }
      // Sums and products of them are formed: these bounds are beyond all use, and far below where numbers end.
      let (sizes, seconds) = (1...1 << 40, 0...1_000_000)
      let numbers = [
        ("--queue-tokens", queueTokens, sizes), ("--max-texts", maxTexts, sizes), ("--max-body", maxBody, sizes),
        ("--max-text", maxText, sizes), ("--max-header", maxHeader, sizes), ("--batch-tokens", batchTokens ?? 1, sizes),
        ("--max-connections", maxConnections, sizes), ("--max-layers", maxLayers ?? 0, 0...1 << 40),
        ("--idle-timeout", idleTimeout, 1...1_000_000), ("--drain-timeout", drainTimeout, seconds),
        ("--drain-delay", drainDelay, seconds), ("--deadline-ms", deadlineMs, 0...1_000_000_000),
      ]
      if let (name, _, range) = numbers.first(where: { !$0.2.contains($0.1) }) {
        throw ValidationError("\(name) must be \(range.lowerBound) to \(range.upperBound)")
      }
      if token != nil && tokenFile != nil { throw ValidationError("give --token or --token-file, not both") }
      if (tlsCertificate == nil) != (tlsKey == nil) {
        throw ValidationError("--tls-certificate and --tls-key go together")
      }
      if token?.isEmpty == true { throw ValidationError("--token is empty") }
    }

    /// The operator's choices as the library takes them.
    var serving: ServingOptions {
      var options = ServingOptions()
      options.classifier.policies = PolicyChoice(exit: exit, prune: prune)
      options.classifier.threads = team.threads
      options.classifier.batchTokens = batchTokens
      options.classifier.labelThreshold = labelThreshold
      (options.queueTokens, options.maxTexts, options.maxLayers) = (queueTokens, maxTexts, maxLayers)
      (options.maxTextBytes, options.maxOneTextBytes) = (maxBody, maxText)
      options.deadline = deadlineMs > 0 ? .milliseconds(deadlineMs) : nil
      (options.exitRange, options.pruneRange) = (exitRange, pruneRange)
      (options.isAdaptive, options.shadow, options.classifier.copiesModel) = (adaptive, shadow, copy)
      return options
    }

    func run() async throws { try await ServerProcess(self).run() }
  }
#else
  import Glibc
  import PyramidTools

  @main
  struct MPServe {
    static func main() {
      let build = "swift build -c release --traits Server --product mp-serve"
      Terminal(quiet: false).complain("mp-serve: was built without its server; build it with: \(build)")
      exit(1)
    }
  }
#endif
