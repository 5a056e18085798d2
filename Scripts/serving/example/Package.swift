// swift-tools-version:6.2
// A Hummingbird server with a classifier in it: a package of its own, as a user of the library writes it.

import PackageDescription

let package = Package(
  name: "example-server",
  dependencies: [
    .package(name: "magic-pyramid", path: "../../.."),
    .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.0", traits: []),
  ],
  targets: [
    .executableTarget(
      name: "App",
      dependencies: [
        .product(name: "MagicPyramid", package: "magic-pyramid"),
        .product(name: "PyramidServing", package: "magic-pyramid"),
        .product(name: "Hummingbird", package: "hummingbird"),
      ])
  ]
)
