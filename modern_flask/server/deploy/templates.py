"""The text of the manifests. A remark says why a number is what it is."""

__all__ = [
    "ACCOUNT",
    "AUTOSCALER",
    "BINDING",
    "BUDGET",
    "DRAIN",
    "MONITOR",
    "ROLE",
    "SERVER",
    "SERVICE",
    "WORKER",
]

ACCOUNT = """
apiVersion: v1
kind: ServiceAccount
metadata: {{ name: {name}, namespace: {namespace} }}
"""

ROLE = """
# The pods may read {source}, and nothing else.
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{ name: {name}-config, namespace: {source_namespace} }}
rules:
  - {{ apiGroups: [""], resources: [{kind}], resourceNames: [{object}], verbs: [get] }}
"""

BINDING = """
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{ name: {name}-config, namespace: {source_namespace} }}
roleRef: {{ apiGroup: rbac.authorization.k8s.io, kind: Role, name: {name}-config }}
subjects:
  - {{ kind: ServiceAccount, name: {name}, namespace: {namespace} }}
"""

_SECURITY = """\
          securityContext:
            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: true
            capabilities: {{ drop: [ALL] }}
          volumeMounts:
            - {{ name: tmp, mountPath: /tmp }}
      volumes:
        # For long bodies, and for the metric files of several processes.
        - {{ name: tmp, emptyDir: {{ sizeLimit: 1Gi }} }}
"""

_POD_SECURITY = """\
      securityContext:
        runAsNonRoot: true   # the image names a numeric user
        seccompProfile: {{ type: RuntimeDefault }}
"""

DRAIN = """\
      # At SIGTERM it serves on for {delay:g} s (SERVER_SHUTDOWN_DELAY), then finishes
      # its requests; after {graceful} s gunicorn ends it. 10 s are for the exit.
"""

SERVER = (
    """
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {name}
  namespace: {namespace}
  labels: {{ app: {name} }}
spec:
{replicas}  selector: {{ matchLabels: {{ app: {name} }} }}
  strategy:
    type: RollingUpdate
    # A pod ends only after its successor is ready.
    rollingUpdate: {{ maxUnavailable: 0, maxSurge: 1 }}
  template:
    metadata: {{ labels: {{ app: {name} }} }}
    spec:
{account}{drain}      terminationGracePeriodSeconds: {grace}
"""
    + _POD_SECURITY
    + """\
      containers:
        - name: {name}
          image: {image}
          # A list, and no shell: the process gets SIGTERM itself.
          command: {command}
          env:
{env}          # One process with one thread uses one CPU at most.
          resources:
            requests: {{ cpu: "1", memory: 256Mi }}
            limits: {{ cpu: "1", memory: 512Mi }}
          ports:
{ports}{probes}"""
    + _SECURITY
)

WORKER = (
    """
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {name}-worker
  namespace: {namespace}
  labels: {{ app: {name}-worker }}
spec:
  # The length of the queues says how many are needed; Kubernetes does not know it.
  replicas: 1
  selector: {{ matchLabels: {{ app: {name}-worker }} }}
  template:
    metadata: {{ labels: {{ app: {name}-worker }} }}
    spec:
{account}      # After SIGTERM the tasks in hand have {longest} s. 10 s for the exit.
      # {why}.
      terminationGracePeriodSeconds: {grace}
"""
    + _POD_SECURITY
    + """\
      containers:
        - name: {name}-worker
          image: {image}
          # One process for one CPU; Celery would start one for each of the node.
          command: {command}
          env:
{env}          resources:
            requests: {{ cpu: "1", memory: 256Mi }}
            limits: {{ cpu: "1", memory: 512Mi }}
{ports}"""
    + _SECURITY
)

SERVICE = """
apiVersion: v1
kind: Service
metadata:
  name: {name}
  namespace: {namespace}
  labels: {{ app: {name} }}
spec:
  selector: {{ app: {name} }}
  ports:
    - {{ name: http, port: 80, targetPort: http }}
"""

AUTOSCALER = """
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {{ name: {name}, namespace: {namespace} }}
spec:
  scaleTargetRef: {{ apiVersion: apps/v1, kind: Deployment, name: {name} }}
  minReplicas: {least}
  maxReplicas: {most}
  metrics:
    # CPU, because every cluster has it. For an app that waits more than it computes,
    # use the requests that wait, through an adapter for custom metrics.
    - type: Resource
      resource: {{ name: cpu, target: {{ type: Utilization, averageUtilization: 70 }} }}
"""

BUDGET = """
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {{ name: {name}, namespace: {namespace} }}
spec:
  # Not minAvailable: with one replica it would block every drain of a node.
  maxUnavailable: 1
  selector: {{ matchLabels: {{ app: {name} }} }}
"""

MONITOR = """
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata: {{ name: {name}, namespace: {namespace} }}
spec:
  selector: {{ matchLabels: {{ app: {name} }} }}
  endpoints:
    - port: {port}
      path: {path}
      interval: 30s
{token}"""
