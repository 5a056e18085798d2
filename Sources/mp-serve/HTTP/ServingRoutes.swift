// What there is at which path. Bodies are read and written by PyramidServing's protocols; here are paths, headers and
// limits only.

#if Server
  import HTTPTypes
  import Hummingbird
  import Logging
  import MagicPyramid
  import PyramidFormats
  import PyramidServing

  struct ServingRoutes {
    let repository: ModelRepository
    let metrics: MetricRegistry
    let bodies: RequestBodies
    let draining: Draining
    let logger: Logger

    private static let jsonLength = HTTPField.Name("Inference-Header-Content-Length")!

    func add(to router: inout Router<Context>) {
      router.get("/health") { _, _ in try ready() }
      router.get("/metrics") { _, _ in
        for model in repository.models { model.refreshMetrics() }
        return Response.bytes(Array(metrics.text.utf8), type: "text/plain; version=0.0.4")
      }
      router.get("/openapi.json") { _, _ in Response.json(OpenAPI.document) }
      router.get("/info") { _, _ in Response.json(try repository.onlyModel().info) }
      router.post("/predict") { request, context in
        try await context.whileAwaited { try await predict(request, context) }
      }
      router.post("/rerank") { request, context in
        try await context.whileAwaited { try await rerank(request, context) }
      }
      addPage(to: router)
      addOpenInference(to: router.group("/v2"))
      refuseOtherMethods(at: router)
    }

    /// What is there by one method says by which to those who ask by another.
    private func refuseOtherMethods(at router: Router<Context>) {
      for routes in Dictionary(grouping: router.routes, by: \.path.description).values {
        let known = routes.map(\.method)
        // Whoever answers GET answers HEAD.
        let allowed = known.map { $0 == .get ? "GET, HEAD" : $0.rawValue }.joined(separator: ", ")
        for method in [HTTPRequest.Method.get, .post, .put, .delete, .patch, .options] where !known.contains(method) {
          router.on(routes[0].path, method: method) { _, _ in
            var response = Response.json(["error": .string("this path takes \(allowed)")], status: .methodNotAllowed)
            response.headers[.allow] = allowed
            return response
          }
        }
      }
    }

    private func addPage(to router: Router<Context>) {
      router.get("/") { _, _ in
        var response = Response.bytes(PackageResources.page_html, type: "text/html; charset=utf-8")
        response.headers[.contentSecurityPolicy] =
          "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; base-uri 'none'"
        return response
      }
      router.post("/pyramid/controls") { request, context in
        Response.json(try model(of: try PageRequest(body: try await bodies.body(of: request, context))).controls)
      }
      router.post("/pyramid") { request, context in
        try await context.whileAwaited {
          let asked = try PageRequest(body: try await bodies.body(of: request, context))
          let model = try model(of: asked)
          return Response.json(try await model.counted(protocol: "page") { try await model.pyramid(of: asked.request) })
        }
      }
    }

    private func model(of asked: PageRequest) throws(ServingError) -> ServedModel {
      guard let name = asked.model else { return try onlyModel() }
      return try repository.model(name)
    }

    private func addOpenInference(to group: RouterGroup<Context>) {
      group.get { _, _ in
        Response.json([
          "name": "magic-pyramid", "version": .string(magicPyramidVersion),
          "extensions": ["binary_tensor_data", "model_repository"],
        ])
      }
      group.get("health/live") { _, _ in Response.json(["live": true]) }
      group.get("health/ready") { _, _ in try ready() }
      for path in ["models/:model", "models/:model/versions/:version"] {
        let model = group.group(RouterPath(path))
        model.get { _, context in
          let model = try self.model(context)
          let versions = repository.models.filter { $0.name == model.name }.map(\.version)
          return Response.json(model.metadata(versions: versions))
        }
        model.get("ready") { _, context in
          let model = try self.model(context)
          try model.checkReady()
          return Response.json(["name": .string(model.name), "ready": true])
        }
        model.post("infer") { request, context in
          let model = try self.model(context)
          return try await context.whileAwaited { try await infer(request, context, model) }
        }
      }
      group.post("repository/index") { request, context in
        _ = try await bodies.body(of: request, context)
        return Response.json(repository.index)
      }
      group.post("repository/models/:model/load") { request, context in
        try await change(request, context) { try await repository.load($0) }
      }
      group.post("repository/models/:model/unload") { request, context in
        try await change(request, context) { try await repository.unload($0) }
      }
    }

    private func ready() throws(ServingError) -> Response {
      if draining.isUnderway { throw ServingError(.unavailable, "the server ends") }
      guard repository.isReady else { throw ServingError(.unavailable, "models are being loaded") }
      for model in repository.models { try model.checkReady() }
      return Response.json(["ready": true])
    }

    private func model(_ context: Context) throws -> ServedModel {
      guard repository.isReady else { throw ServingError(.unavailable, "models are being loaded") }
      return try repository.model(try name("model", context), version: try name("version", context))
    }

    /// A part of the path, which clients send percent-encoded; empty where the path has none.
    private func name(_ part: String, _ context: Context) throws(ServingError) -> String {
      guard let text = context.parameters.get(part) else { return "" }
      guard let name = PercentEncoding.decoded(text) else {
        throw ServingError(.invalid, "the path's \(part) \(text.quoted) is no percent-encoded UTF-8")
      }
      return name
    }

    private func change(
      _ request: Request, _ context: Context, _ body: (String) async throws -> Void
    ) async throws -> Response {
      try ModelRepository.check(change: try await bodies.body(of: request, context))
      do { try await body(try name("model", context)) } catch let error as ServingError {
        throw error
      } catch {
        logger.error("models stay as they were", metadata: ["error": "\(error)"])
        throw ServingError(.invalid, "\(error)")
      }
      return Response.json([:])
    }

    private func infer(_ request: Request, _ context: Context, _ model: ServedModel) async throws -> Response {
      try await model.counted(protocol: "oip_http") {
        let length = try request.headers[Self.jsonLength].map { text throws(ServingError) in
          guard let length = Int(text) else {
            throw ServingError(.invalid, "Inference-Header-Content-Length is not a number")
          }
          return length
        }
        let asked = try OpenInferenceRequest(
          body: try await bodies.body(of: request, context), jsonLength: length, tasks: model.classifier.tasks)
        if let name = asked.model, name != model.name {
          throw ServingError(.invalid, "model_name is \(name.quoted), and the path says \(model.name.quoted)")
        }
        let reply = OpenInferenceReply(try await model.answer(asked.request), to: asked, from: model)
        guard let jsonLength = reply.jsonLength else { return Response.bytes(reply.body, type: "application/json") }
        var response = Response.bytes(reply.body, type: "application/octet-stream")
        response.headers[Self.jsonLength] = "\(jsonLength)"
        return response
      }
    }

    private func predict(_ request: Request, _ context: Context) async throws -> Response {
      let model = try onlyModel()
      return try await model.counted(protocol: "predict") {
        let asked = try PredictRequest(body: try await bodies.body(of: request, context))
        try asked.check(model.classifier)
        let result = try await model.answer(asked.request)
        return Response.json(asked.reply(result, by: model.classifier)).noting(result)
      }
    }

    private func rerank(_ request: Request, _ context: Context) async throws -> Response {
      let model = try onlyModel()
      return try await model.counted(protocol: "rerank") {
        let asked = try RerankRequest(body: try await bodies.body(of: request, context))
        try asked.check(model.classifier)
        let result = try await model.answer(asked.request)
        return Response.json(asked.reply(result)).noting(result)
      }
    }

    private func onlyModel() throws(ServingError) -> ServedModel {
      guard repository.isReady else { throw ServingError(.unavailable, "models are being loaded") }
      return try repository.onlyModel()
    }
  }

  extension Response {
    /// Says in headers what text-embeddings-inference's replies have no place for: limits that made texts leave early, and
    /// how far the exit policy was loosened.
    fileprivate func noting(_ result: ServingResult) -> Response {
      var response = self
      let limits = Set(result.answers.compactMap { $0.answer.limit?.rawValue }).sorted()
      if !limits.isEmpty { response.headers[Self.limitedBy] = limits.joined(separator: ",") }
      if let loosened = result.loosened { response.headers[Self.loosened] = "\(loosened)" }
      return response
    }

    private static let limitedBy = HTTPField.Name("X-Limited-By")!
    private static let loosened = HTTPField.Name("X-Loosened")!
  }
#endif
