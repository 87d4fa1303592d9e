# The packages that it needs to run. They change less often than the code, and so stay in the cache.
FROM node:24-bookworm-slim AS packages
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev && npm cache clean --force

# Compiles it, with the compiler and all.
FROM packages AS build
RUN npm ci
COPY tsconfig.json ./
COPY lib lib
COPY consumers/consumer_fromOldest.ts consumers/
RUN npx tsc

# Runs it, in a heap that fits in the container's 128 MB: of itself Node takes more, and only then collects.
FROM packages
ENV NODE_ENV=production NODE_OPTIONS="--max-old-space-size=48 --max-semi-space-size=2"
COPY --from=build /app/dist .
USER node
# In exec form, so that node itself gets the signal to stop.
CMD ["node", "consumers/consumer_fromOldest.js"]

# Settings: edit them, and run ./buildAndRun.sh again. This block is last, so nothing else is built anew.
# With a GROUP_ID of your own, the consumer resumes where it committed: GROUP_ID=my-group
ENV KAFKA_TOPIC=test-topic \
    TOPIC_PARTITIONS=1 \
    AUTO_OFFSET_RESET=earliest \
    HANDLER_DELAY_MS=0
