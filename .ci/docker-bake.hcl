# docker buildx bake -f .ci/docker-bake.hcl                  all targets, for amd64 and arm64, with SBOM and provenance
# docker buildx bake -f .ci/docker-bake.hcl --print          what that would be
# REGISTRY=registry.example/bulkhead VERSION=1.2.3 docker buildx bake -f .ci/docker-bake.hcl --push

variable "REGISTRY" { default = "bulkhead" }
variable "VERSION" { default = "0.1.0" }
variable "REVISION" { default = "unknown" }
variable "CREATED" { default = "" }
variable "SOURCE" { default = "" }

group "default" { targets = ["runtime-slim", "runtime", "runtime-shell"] }

target "_published" {
  context = "."
  args = { VERSION = VERSION, REVISION = REVISION, CREATED = CREATED, SOURCE = SOURCE }
  platforms = ["linux/amd64", "linux/arm64"]
  attest = ["type=sbom", "type=provenance,mode=max"]
}

target "runtime-slim" {
  inherits = ["_published"]
  target = "runtime-slim"
  tags = ["${REGISTRY}:runtime-slim", "${REGISTRY}:${VERSION}-slim"]
}

target "runtime" {
  inherits = ["_published"]
  target = "runtime"
  tags = ["${REGISTRY}:runtime", "${REGISTRY}:${VERSION}"]
}

target "runtime-shell" {
  inherits = ["_published"]
  target = "runtime-shell"
  tags = ["${REGISTRY}:runtime-shell", "${REGISTRY}:${VERSION}-shell"]
}
